//! [`StoreHealth`]: what a store says when it is asked whether it can serve calls.

use std::borrow::Cow;
use std::fmt;

use crate::model::RecordId;

/// The answer of a store that can serve calls. From [`Store::check`](super::Store::check).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoreHealth {
    /// What was asked, in the words of the store: a command or a statement.
    pub asked: Cow<'static, str>,
    /// What does not work as it should, though calls are served.
    pub degraded: Vec<Degradation>,
}

/// Something that does not work as it should, though calls are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Degradation {
    /// The engine's [circuit](crate::IdempotencyBuilder#the-circuit) is open: new calls are refused until a probe
    /// succeeds.
    CircuitOpen,
    /// Other processes' messages do not arrive: waiters learn of the end of other processes' calls by polling.
    NoNotifications,
    /// A [near cache](crate::backends::NearCache) does not hear of purges by others: it replays what they purged
    /// until its ttl ends.
    NearCacheDetached,
}

impl StoreHealth {
    /// A healthy store that was asked this.
    pub fn new(asked: impl Into<Cow<'static, str>>) -> Self {
        Self { asked: asked.into(), degraded: Vec::new() }
    }

    /// Adds what does not work as it should, once.
    #[must_use]
    pub fn degraded_by(mut self, degradation: Degradation) -> Self {
        if !self.degraded.contains(&degradation) {
            self.degraded.push(degradation);
        }
        self
    }
}

impl Degradation {
    /// A stable identifier, for dashboards.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CircuitOpen => "circuit_open",
            Self::NoNotifications => "no_notifications",
            Self::NearCacheDetached => "near_cache_detached",
        }
    }
}

impl fmt::Display for Degradation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CircuitOpen => {
                "the circuit is open, so new calls are refused until a probe succeeds"
            }
            Self::NoNotifications => "other processes' messages do not arrive, so waiters poll",
            Self::NearCacheDetached => "the near cache does not hear of purges by others",
        })
    }
}

/// An id that no call has: its name is not one of an operation.
pub(super) fn id_of_nothing() -> Option<RecordId> {
    RecordId::of("idempotent.check", None, "nothing").ok()
}
