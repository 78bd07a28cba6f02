//! The operator's side: looking at records, and removing those that no call will end. Saying what a
//! call turned out to be is in `resolve`.

use std::time::{Duration, SystemTime};

use super::Idempotency;
use super::telemetry::Transition;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::record::{Fingerprint, Guarantee, InvalidRecordId, Outcome, RecordId, Token};
use crate::store::{Cursor, Entry, Release, Scan, State, StoreError, StoreErrorKind};

/// A record as it was when somebody looked.
///
/// What is done about it later is fenced by its token: it acts on what was seen, or not at all.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub(super) id: RecordId,
    pub(super) entry: Entry,
}

impl Inspection {
    /// Which record.
    #[must_use]
    pub fn id(&self) -> &RecordId {
        &self.id
    }

    /// Its state.
    #[must_use]
    pub fn state(&self) -> State {
        self.entry.state
    }

    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.entry.record.operation()
    }

    /// The key as it was written, unless the engine redacts keys.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.entry.record.key()
    }

    /// The token of the attempt that wrote it.
    #[must_use]
    pub fn token(&self) -> Token {
        self.entry.record.token()
    }

    /// What the lapse of its reservation means.
    #[must_use]
    pub fn guarantee(&self) -> Guarantee {
        self.entry.record.guarantee()
    }

    /// The digest of its payload, if it has one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.entry.record.fingerprint()
    }

    /// The version of its result's schema.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.entry.record.version()
    }

    /// How long its reservation holds without being renewed.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.entry.record.lease()
    }

    /// When it was reserved, by its owner's clock.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.entry.record.created()
    }

    /// Whether it is a tombstone: completed, its result not kept.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        matches!(self.entry.record.outcome(), Outcome::NotKept(_))
    }

    /// How long until the lease lapses (reserved) or the key is vacant (completed, indeterminate),
    /// if the store can tell.
    #[must_use]
    pub fn remaining(&self) -> Option<Duration> {
        self.entry.remaining
    }
}

impl Idempotency {
    /// The id of a record of this engine. See [`RecordId::of`].
    ///
    /// # Errors
    ///
    /// If the name, the scope or the key is none.
    pub fn record_id(
        &self,
        operation: &str,
        scope: Option<&dyn Key>,
        key: &(impl Key + ?Sized),
    ) -> Result<RecordId, InvalidRecordId> {
        RecordId::keyed(operation.to_owned().into(), scope, key, self.settings().secret.as_ref())
    }

    /// What stands under an id.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`], or [`ErrorKind::Incompatible`] for bytes that are no record.
    pub async fn inspect(&self, id: &RecordId) -> Result<Option<Inspection>, Error> {
        let entry = self.operate(id, self.store().load(id)).await?;
        Ok(entry.map(|entry| Inspection { id: id.clone(), entry }))
    }

    /// Removes whatever stands under an id, and says whether there was something. The next call
    /// runs the body, also when the effect had happened: this forgets on purpose.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`].
    pub async fn purge(&self, id: &RecordId) -> Result<bool, Error> {
        self.operate(id, self.store().purge(id)).await
    }

    /// Makes a reserved key vacant before its lease ends, for an owner known to be dead. A record
    /// that has moved on since it was inspected is left as it is; the answer is what stands there
    /// afterwards.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`].
    pub async fn release(&self, seen: &Inspection) -> Result<Option<Inspection>, Error> {
        let request = Release::new(&seen.id, &seen.entry.record);
        self.operate(&seen.id, self.store().release(&request)).await?;
        self.inspect(&seen.id).await
    }

    /// One page of the store's records: what a reconciliation job goes through.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`].
    pub async fn scan(&self, scan: &Scan) -> Result<InspectionPage, Error> {
        let call = self.store().scan(scan);
        let page = self.0.call(Transition::Operate, Duration::MAX, call).await;
        let page = page.map_err(|error| {
            Error::new(ErrorKind::Store, "scan").detail(error.to_string()).caused_by(error)
        })?;
        let entries = page.entries.into_iter().map(|(id, entry)| Inspection { id, entry });
        Ok(InspectionPage { entries: entries.collect(), next: page.next })
    }

    pub(super) async fn operate<T>(
        &self,
        id: &RecordId,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        self.0.call(Transition::Operate, Duration::MAX, call).await.map_err(|error| {
            let kind = match error.kind() {
                StoreErrorKind::Malformed => ErrorKind::Incompatible,
                _ => ErrorKind::Store,
            };
            Error::of(kind, id).detail(error.to_string()).caused_by(error)
        })
    }
}

/// One page of a scan.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct InspectionPage {
    /// The records.
    pub entries: Vec<Inspection>,
    /// Where the next page starts; `None` after the last.
    pub next: Option<Cursor>,
}
