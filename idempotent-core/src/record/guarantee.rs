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
        }
    }
}
