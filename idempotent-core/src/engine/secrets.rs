//! The settings of an engine about the MACs of its records.

use std::time::SystemTime;

use super::authenticity::Missing;
use super::builder::IdempotencyBuilder;
use crate::model::Secret;

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
