//! [`Guarantee`]: what happens when a reservation lapses.

/// What happens when a reservation's lease lapses before its call has ended.
///
/// After a crash, the engine cannot tell whether the body took effect. The guarantee is your choice
/// of what happens then. It is stored in the reservation, and the stored guarantee applies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Guarantee {
    /// The key becomes vacant, and the next caller runs the body. The effect happens at least once;
    /// it can happen again only if the owner crashed or was cut off. The default.
    #[default]
    AtLeastOnce,
    /// The key becomes [indeterminate](crate::ErrorKind::Indeterminate), and every caller is
    /// refused until the record is [resolved](crate::Idempotency::resolve) or its retention ends.
    /// The effect happens at most once.
    AtMostOnce,
    /// A lapse cannot happen: the reservation, the effect and the result commit together in a
    /// transaction of the caller's, or not at all. Such calls run with
    /// [`Call::run_in`](crate::Call::run_in) and hold no lease. If a committed reservation is found
    /// nevertheless, it is indeterminate.
    ExactlyOnce,
}

impl Guarantee {
    /// The guarantee's name, as it is written in the attribute.
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

    /// Whether a lapsed reservation is kept as indeterminate until it is resolved or its retention
    /// ends. This is all that a store needs to know about a guarantee.
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
