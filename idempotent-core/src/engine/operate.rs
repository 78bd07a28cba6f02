//! The operator's side: looking at records, and ending what no call will end.

use std::time::{Duration, SystemTime};

use serde::Serialize;

use super::Idempotency;
use super::telemetry::Transition;
use crate::codec;
use crate::error::{Error, ErrorKind};
use crate::key::Key;
use crate::record::{Fingerprint, Guarantee, InvalidRecordId, Outcome, RecordId, Token};
use crate::store::{
    Complete, CompleteOutcome, Cursor, Entry, Release, Scan, State, StoreError, StoreErrorKind,
    Vacant,
};

/// A record as it was when somebody looked.
///
/// What is done about it later is fenced by its token: it acts on what was seen, or not at all.
#[derive(Clone, Debug)]
pub struct Inspection {
    id: RecordId,
    entry: Entry,
}

/// What an indeterminate call turned out to be.
///
/// `T` is the `Ok` type of the operation, `E` its error type; only the side that is used needs
/// serde.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Resolution<T> {
    /// The effect happened, and this is the `Ok` that retries replay for the engine's
    /// [`ttl`](crate::Builder::ttl).
    Completed(T),
    /// The effect happened, and this is the `Ok` that retries replay for so long.
    CompletedFor(T, Duration),
    /// The effect did not happen **and its owner is dead**: retries run the body. Somebody who
    /// says so of an owner that lives lets the body run twice.
    NeverHappenedAndOwnerIsDead,
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

    /// Says what an indeterminate, or reserved, call turned out to be.
    ///
    /// It acts on the record that was inspected and on no other: if the record has moved on, for
    /// instance because its late owner completed it, nothing is changed.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InProgress`] when another attempt has taken the key, [`ErrorKind::Indeterminate`]
    /// when the record has moved on otherwise: inspect it again. [`ErrorKind::Encode`] for a value
    /// that cannot be encoded or is over the engine's limit, [`ErrorKind::Store`].
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use idempotent_core::{Idempotency, Resolution, store::{MemoryStore, Scan, State}};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let page = engine.scan(&Scan::unfinished()).await?;
    /// for seen in &page.entries {
    ///     if seen.state() == State::Indeterminate {
    ///         let receipt = ask_the_gateway(seen.key());
    ///         engine.resolve(seen, Resolution::Completed(receipt)).await?;
    ///     }
    /// }
    /// # fn ask_the_gateway(_: Option<&str>) -> String { String::new() }
    /// # Ok(()) }
    /// ```
    pub async fn resolve<T: Serialize>(
        &self,
        seen: &Inspection,
        resolution: Resolution<T>,
    ) -> Result<(), Error> {
        let (value, ttl) = match resolution {
            Resolution::Completed(value) => (value, self.settings().ttl),
            Resolution::CompletedFor(value, ttl) => (value, ttl),
            Resolution::NeverHappenedAndOwnerIsDead => return self.vacate(seen).await,
        };
        let limit = self.settings().max_result_bytes;
        let reservation = &seen.entry.record;
        let record = reservation
            .completed_with(limit, |out| codec::encode(codec::OK, &value, out))
            .map_err(|error| Error::of(ErrorKind::Encode, &seen.id).caused_by(error))?;
        if let Outcome::NotKept(why) = record.outcome() {
            return Err(Error::of(ErrorKind::Encode, &seen.id).detail(why.as_str()));
        }
        let request =
            Complete::new(&seen.id, &seen.entry.record, &record, ttl).vacant(Vacant::Refuse);
        match self.operate(&seen.id, self.store().complete(&request)).await? {
            CompleteOutcome::Gone => Err(moved_on(&seen.id, None)),
            CompleteOutcome::Superseded(entry) => Err(moved_on(&seen.id, Some(&entry))),
            // Its late owner may have been first: then the owner's result stands, and not this one.
            CompleteOutcome::Recorded => match self.inspect(&seen.id).await? {
                Some(now) if now.entry.record == record => Ok(()),
                now => Err(moved_on(&seen.id, now.as_ref().map(|now| &now.entry))),
            },
        }
    }

    async fn vacate(&self, seen: &Inspection) -> Result<(), Error> {
        let request = Release::new(&seen.id, &seen.entry.record).even_indeterminate();
        self.operate(&seen.id, self.store().release(&request)).await?;
        match self.inspect(&seen.id).await? {
            Some(now) if now.state() != State::Lapsed => Err(moved_on(&seen.id, Some(&now.entry))),
            _ => Ok(()),
        }
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

    async fn operate<T>(
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

fn moved_on(id: &RecordId, now: Option<&Entry>) -> Error {
    let (kind, detail) = match now {
        Some(Entry { state: State::Reserved, .. }) => {
            (ErrorKind::InProgress, "another attempt has taken the key since it was inspected")
        }
        Some(_) => (ErrorKind::Indeterminate, "the record has changed since it was inspected"),
        None => (ErrorKind::Indeterminate, "the record is gone since it was inspected"),
    };
    Error::of(kind, id).detail(detail)
}
