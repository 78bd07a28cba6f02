//! Saying what a call turned out to be, if its owner no longer can.

use std::time::Duration;

use rmp_serde::encode::Error as EncodeError;
use serde::Serialize;

use super::inspect::Inspection;
use super::moved_on::moved_on;
use crate::codec::{self, BinaryResult};
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Outcome, RecordBytes};
use crate::store::{Complete, CompleteOutcome, IfVacant, Release, State};

/// What an indeterminate call turned out to be. `T` is the `Ok` type of its operation.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Resolution<T> {
    /// The effect happened. Retries replay this `Ok` for the engine's
    /// [`ttl`](crate::IdempotencyBuilder::ttl).
    Completed(T),
    /// The effect happened. Retries replay this `Ok` for the given time.
    CompletedFor(T, Duration),
    /// The effect did not happen **and its owner is dead**: retries run the body. If the owner is
    /// alive after all, the body may run twice. A call with steps keeps those that are recorded, and those in doubt
    /// did not happen: retries resume it.
    NeverHappenedAndOwnerIsDead,
}

impl Idempotency {
    /// Says what an indeterminate or reserved call turned out to be.
    ///
    /// It acts only on the record that was inspected. A record that has changed since, for example
    /// because its late owner completed it, stays as it is.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InProgress`] if another attempt has taken the key.
    /// * [`ErrorKind::Indeterminate`] if the record has changed otherwise: inspect it again.
    /// * [`ErrorKind::Encode`] if the value cannot be encoded or exceeds the engine's limit.
    /// * [`ErrorKind::Store`] if the store fails.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, engine::Resolution};
    /// # use idempotent_core::store::{Scan, State};
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
        self.resolve_by(codec::encode, seen, resolution).await
    }

    /// Like [`resolve`](Self::resolve), for a value with an encoding of its own, such as the
    /// message of a gRPC method.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use idempotent_core::call::{BinaryResult, InvalidBytes};
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, engine::Resolution, store::Scan};
    /// # struct Frame(Vec<u8>);
    /// # impl BinaryResult for Frame {
    /// #     fn encode(&self, out: &mut Vec<u8>) { out.extend_from_slice(&self.0) }
    /// #     fn decode(bytes: &[u8]) -> Result<Self, InvalidBytes> { Ok(Self(bytes.to_vec())) }
    /// # }
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// for seen in &engine.scan(&Scan::unfinished()).await?.entries {
    ///     engine.resolve_binary(seen, Resolution::Completed(Frame(vec![7]))).await?;
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`resolve`](Self::resolve).
    pub async fn resolve_binary<T: BinaryResult>(
        &self,
        seen: &Inspection,
        resolution: Resolution<T>,
    ) -> Result<(), Error> {
        self.resolve_by(codec::encode_binary, seen, resolution).await
    }

    async fn resolve_by<T>(
        &self,
        encode: fn(u8, &T, &mut RecordBytes) -> Result<(), EncodeError>,
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
            .completed_with(limit, |out| encode(codec::OK, &value, out))
            .map_err(|error| Error::of(ErrorKind::Encode, &seen.id).caused_by(error))?;
        if let Outcome::NotKept(why) = record.outcome() {
            return Err(Error::of(ErrorKind::Encode, &seen.id).detail(why.as_str()));
        }
        let record = self.seal(&seen.id, &record);
        let request =
            Complete::new(&seen.id, &seen.entry.record, &record, ttl).if_vacant(IfVacant::Refuse);
        match self.admin_call(&seen.id, self.store().complete(&request)).await? {
            CompleteOutcome::Gone => Err(moved_on(&seen.id, None)),
            CompleteOutcome::Superseded(entry) => Err(moved_on(&seen.id, Some(&entry))),
            // Its late owner may have been first: then the owner's result is recorded, not this
            // one.
            CompleteOutcome::Recorded => match self.inspect(&seen.id).await? {
                Some(now) if now.entry.record == record => Ok(()),
                now => Err(moved_on(&seen.id, now.as_ref().map(|now| &now.entry))),
            },
        }
    }

    async fn vacate(&self, seen: &Inspection) -> Result<(), Error> {
        if let Some(journal) = seen.entry.record.journal() {
            return self.make_resumable(seen, journal).await;
        }
        let request = Release::new(&seen.id, &seen.entry.record).including_indeterminate();
        self.admin_call(&seen.id, self.store().release(&request)).await?;
        match self.inspect(&seen.id).await? {
            Some(now) if now.state() != State::Lapsed => Err(moved_on(&seen.id, Some(&now.entry))),
            _ => Ok(()),
        }
    }
}
