//! [`Authenticity`]: whether a stored record was written by an engine's fleet.

use std::time::SystemTime;

use crate::model::{Mac, MacKey, Record, RecordId, Secret, StepEntry, StepId, Token};
use crate::store::Store;

/// What the builder was told.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthenticitySettings {
    /// The secret of MACs, if it is another than that of ids.
    pub(super) secret: Option<Secret>,
    pub(super) previous: Vec<Secret>,
    pub(super) missing: Missing,
}

/// What becomes of a record without a MAC, in an engine that has a key.
#[derive(Clone, Copy, Debug, Default)]
pub(super) enum Missing {
    #[default]
    Refused,
    AcceptedUntil(SystemTime),
    /// Written, too.
    Written,
}

/// The keys of one engine.
#[derive(Debug)]
pub(super) struct Authenticity {
    /// What records are sealed with.
    sealing: Option<MacKey>,
    /// What records may be sealed with, the likeliest first. Empty: nothing is checked.
    accepted: Vec<MacKey>,
    missing: Missing,
}

const WRONG: &str = "its MAC is wrong: it was changed, belongs to another key, or was written with \
                     another secret";

const MISSING: &str = "it has no MAC, and this engine has a secret";

const NO_KEY: &str = "it has a MAC, and this engine has no secret to check it with";

impl Authenticity {
    pub(super) fn new(
        settings: &AuthenticitySettings,
        secret: Option<Secret>,
        store: &dyn Store,
    ) -> Self {
        // What only this process can write needs no proof of who wrote it.
        let secret = settings.secret.or(secret).filter(|_| !store.is_in_process());
        let own = secret.as_ref().map(MacKey::derive);
        let previous = settings.previous.iter().filter(|_| own.is_some()).map(MacKey::derive);
        let accepted = own.iter().cloned().chain(previous).collect();
        let sealing = own.filter(|_| !matches!(settings.missing, Missing::Written));
        Self { sealing, accepted, missing: settings.missing }
    }

    /// The key of the MACs of new records, if they have one.
    pub(super) const fn sealing_key(&self) -> Option<&MacKey> {
        self.sealing.as_ref()
    }

    /// Whether there is nothing to check: neither a key nor a MAC.
    #[inline]
    pub(super) fn is_needless(&self, record: &Record) -> bool {
        self.accepted.is_empty() && !record.has_mac()
    }

    /// Says what is wrong with a record that is not authentic.
    pub(super) fn check(&self, id: &RecordId, record: &Record) -> Result<(), &'static str> {
        if !record.has_mac() {
            return match self.missing {
                _ if self.accepted.is_empty() => Ok(()),
                Missing::Written => Ok(()),
                Missing::AcceptedUntil(until) if SystemTime::now() < until => Ok(()),
                Missing::Refused | Missing::AcceptedUntil(_) => Err(MISSING),
            };
        }
        if self.accepted.is_empty() {
            return Err(NO_KEY);
        }
        let authentic = self.accepted.iter().any(|key| record.verify(id, key) == Mac::Authentic);
        if authentic { Ok(()) } else { Err(WRONG) }
    }

    /// Says what is wrong with an entry of a journal that is not authentic.
    pub(super) fn check_step(
        &self,
        journal: Token,
        step: &StepId,
        entry: &StepEntry,
    ) -> Result<(), &'static str> {
        if !entry.has_mac() {
            return match self.missing {
                _ if self.accepted.is_empty() => Ok(()),
                Missing::Written => Ok(()),
                Missing::AcceptedUntil(until) if SystemTime::now() < until => Ok(()),
                Missing::Refused | Missing::AcceptedUntil(_) => Err(MISSING),
            };
        }
        if self.accepted.is_empty() {
            return Err(NO_KEY);
        }
        let verifies = |key: &MacKey| entry.verify(journal, step, key) == Mac::Authentic;
        if self.accepted.iter().any(verifies) { Ok(()) } else { Err(WRONG) }
    }
}
