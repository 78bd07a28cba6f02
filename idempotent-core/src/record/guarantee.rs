//! What the lapse of a reservation means.

/// What it means when a reservation's lease lapses before its call ended.
///
/// A crash between an effect and its record cannot be told from a crash before the effect. The
/// guarantee is the user's choice of what happens then. It is stored in the reservation, and the
/// stored one governs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Guarantee {
    /// The key is vacant again, and the next caller runs the body: the effect happens at least
    /// once, and a second time only when its owner crashed or was cut off. The default.
    #[default]
    AtLeastOnce,
    /// The key is [indeterminate](crate::ErrorKind::Indeterminate) and refuses every caller until
    /// somebody [resolves](crate::Idempotency::resolve) it: the effect happens at most once.
    AtMostOnce,
    /// Cannot happen: reservation, effect and result commit together, in a transaction of the
    /// caller's, or not at all. Such calls run by [`Call::run_in`](crate::Call::run_in), and hold no
    /// lease. A reservation that is found committed all the same is indeterminate.
    ExactlyOnce,
}

impl Guarantee {
    /// The guarantee's name, as the attribute spells it.
    ///
    /// ```
    /// use idempotent_core::Guarantee;
    ///
    /// assert_eq!(Guarantee::AtMostOnce.as_str(), "at_most_once");
    /// ```
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AtLeastOnce => "at_least_once",
            Self::AtMostOnce => "at_most_once",
            Self::ExactlyOnce => "exactly_once",
        }
    }

    /// Whether a reservation that lapsed stays, indeterminate, until it is resolved or its retention
    /// ends. What a store needs to know of a guarantee.
    ///
    /// ```
    /// use idempotent_core::Guarantee;
    ///
    /// assert!(!Guarantee::AtLeastOnce.keeps_lapsed());
    /// assert!(Guarantee::AtMostOnce.keeps_lapsed());
    /// ```
    #[must_use]
    pub const fn keeps_lapsed(self) -> bool {
        !matches!(self, Self::AtLeastOnce)
    }
}
