//! [`Authenticity`]: whether a stored record was written by this engine's fleet, and the settings of
//! [`IdempotencyBuilder`] about it.

use std::time::SystemTime;

use super::builder::IdempotencyBuilder;
use super::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Mac, MacKey, Record, RecordId, Secret};
use crate::store::Store;

/// What the builder was told.
#[derive(Clone, Debug, Default)]
pub(super) struct AuthenticitySettings {
    /// The secret of MACs, if it is another than that of ids.
    secret: Option<Secret>,
    previous: Vec<Secret>,
    missing: Missing,
}

/// What becomes of a record without a MAC, in an engine that has a key.
#[derive(Clone, Copy, Debug, Default)]
enum Missing {
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

    /// Says what is wrong with a record that is not authentic.
    fn check(&self, id: &RecordId, record: &Record) -> Result<(), &'static str> {
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
}

impl Idempotency {
    /// A record as it is written: with its MAC, if this engine has a key for it.
    pub(super) fn seal(&self, id: &RecordId, record: &Record) -> Record {
        match self.0.authenticity.sealing_key() {
            Some(key) => record.sealed(id, key),
            None => record.clone(),
        }
    }

    /// Refuses a record that nobody with the secret wrote under this id. Nothing that a store returns
    /// is believed before this.
    pub(super) fn authenticate(&self, id: &RecordId, record: &Record) -> Result<(), Error> {
        self.find_forgery(id, record)
            .map_or(Ok(()), |why| Err(Error::of(ErrorKind::NotAuthentic, id).detail(why)))
    }

    /// What is wrong with a record, if it is not authentic.
    pub(super) fn find_forgery(&self, id: &RecordId, record: &Record) -> Option<&'static str> {
        let why = self.0.authenticity.check(id, record).err()?;
        tracing::error!(record = %id, why, "a stored record is not authentic and is not believed");
        Some(why)
    }
}

impl IdempotencyBuilder {
    /// Uses a secret of its own for the MACs of records, so that it can be changed: the
    /// [secret](Self::secret) of ids cannot, since with another one existing records are not found.
    /// Default: MACs use a key derived from the secret of ids, if there is one.
    ///
    /// To change it, give every process the new one as a
    /// [previous secret](Self::previous_authentication_secret) first. Then make it the secret of every
    /// process, with the old one as a previous secret. Drop the old one when the longest `ttl` and the
    /// [retention](Self::retention) have passed.
    ///
    /// ```
    /// use idempotent_core::{Idempotency, backends::MemoryStore};
    /// # let (ids, old, new) = ([1; 32], [2; 32], [3; 32]);
    ///
    /// let engine = Idempotency::builder(MemoryStore::new())
    ///     .secret(ids)
    ///     .authentication_secret(new)
    ///     .previous_authentication_secret(old)
    ///     .build();
    /// ```
    pub fn authentication_secret(mut self, secret: [u8; 32]) -> Self {
        self.authenticity.secret = Some(Secret(secret));
        self
    }

    /// Also believes records whose MAC was made with this secret. It may be called several times. To
    /// move from the [secret](Self::secret) to an
    /// [authentication secret](Self::authentication_secret), give the former here. Without a secret
    /// of either kind it has no effect. Default: none.
    pub fn previous_authentication_secret(mut self, secret: [u8; 32]) -> Self {
        self.authenticity.previous.push(Secret(secret));
        self
    }

    /// Believes records without a MAC until this moment, by this process's clock: for a fleet whose
    /// records are older than their MACs. New records have one. Until then, who can write to the store
    /// can leave the MAC out, so choose the moment at which the longest `ttl` of the older records has
    /// passed. Default: such records are refused with
    /// [`NotAuthentic`](crate::ErrorKind::NotAuthentic), and their bodies do not run.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use idempotent_core::{Idempotency, backends::MemoryStore};
    ///
    /// # let (secret, the_update) = ([1; 32], SystemTime::UNIX_EPOCH);
    /// let engine = Idempotency::builder(MemoryStore::new())
    ///     .secret(secret)
    ///     .accept_unauthenticated_until(the_update + Duration::from_secs(24 * 60 * 60))
    ///     .build();
    /// ```
    pub fn accept_unauthenticated_until(mut self, moment: SystemTime) -> Self {
        self.authenticity.missing = Missing::AcceptedUntil(moment);
        self
    }

    /// Writes records without a MAC, and believes those that have none: an engine with a secret then
    /// keys the hashes of ids and fingerprints only, and who can write to the store can make records.
    /// A MAC that is there is checked. This is also the first step of a fleet whose processes do not all
    /// read MACs yet; the second is
    /// [`accept_unauthenticated_until`](Self::accept_unauthenticated_until). Default: records have a MAC.
    pub fn unauthenticated_records(mut self) -> Self {
        self.authenticity.missing = Missing::Written;
        self
    }
}
