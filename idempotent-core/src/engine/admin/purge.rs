//! Removing a record only if it is still the one that was seen.

use std::time::Duration;

use super::inspect::Inspection;
use crate::engine::idempotency::Idempotency;
use crate::engine::runtime::{require_timer, unbudgeted_sleep};
use crate::error::{Error, ErrorKind};
use crate::model::{Envelope, NotKept, Record};
use crate::store::{Correct, CorrectOutcome, Release, State};

/// What replaces a completed record is kept for as long as this, since a store may take no time at all for none.
const AT_ONCE: Duration = Duration::from_millis(1);

impl Idempotency {
    /// Removes the record that was inspected, whatever its state, and returns whether it was still that one: unlike
    /// [`purge`](Self::purge), it never removes another call's record that has taken the id since. The next call runs
    /// the body, **even if the effect has already happened**, and also if the call that was seen still runs.
    ///
    /// A completed record is replaced by an empty one that expires at once, so a store that sweeps keeps that one
    /// for a while: it has neither key, scope nor result. Near caches of all processes are told.
    ///
    /// A call with [steps](crate::guide::calls_of_several_effects) or an input is removed with them. It is looked at once more
    /// just before, and a change between the two is not noticed.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), idempotent_core::Error> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, store::Scan};
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// for seen in engine.scan(&Scan::all().operation("shop.quote")).await?.entries {
    ///     if seen.scope() == Some("tenant-1") {
    ///         engine.purge_if_unchanged(&seen).await?;
    ///     }
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] if the store fails, [`ErrorKind::Misconfigured`] if the record is completed and the store
    /// [cannot replace](crate::Store::correct) such.
    pub async fn purge_if_unchanged(&self, seen: &Inspection) -> Result<bool, Error> {
        match seen.entry.state {
            State::Completed => self.expire(seen).await,
            // No release frees them.
            _ if seen.entry.record.has_journal() || seen.entry.record.has_input() => {
                self.purge_with_steps(seen).await
            }
            _ => self.vacate_unfinished(seen).await,
        }
    }

    async fn expire(&self, seen: &Inspection) -> Result<bool, Error> {
        let (id, record) = (&seen.id, &seen.entry.record);
        let envelope = Envelope::new(record.operation());
        let empty = Record::reserved(&envelope, record.token()).tombstone(NotKept::Withheld);
        let empty = self.seal(id, &empty);
        let request = Correct::new(id, record, &empty, AT_ONCE);
        match self.admin_call(id, self.store().correct(&request)).await? {
            CorrectOutcome::Corrected => {
                // Whoever looks now finds nothing.
                if require_timer().is_ok() {
                    unbudgeted_sleep(AT_ONCE * 2).await;
                }
                Ok(true)
            }
            CorrectOutcome::Changed => Ok(false),
            CorrectOutcome::Unsupported => Err(Error::of(ErrorKind::Misconfigured, id)
                .detail("the store cannot replace records: use `purge`")),
        }
    }

    async fn vacate_unfinished(&self, seen: &Inspection) -> Result<bool, Error> {
        let id = &seen.id;
        let request = Release::new(id, &seen.entry.record).including_indeterminate();
        self.admin_call(id, self.store().release(&request)).await?;
        let now = self.admin_call(id, self.store().load(id)).await?;
        Ok(now.is_none_or(|now| now.record.token() != seen.entry.record.token()))
    }

    async fn purge_with_steps(&self, seen: &Inspection) -> Result<bool, Error> {
        let id = &seen.id;
        let now = self.admin_call(id, self.store().load(id)).await?;
        if now.is_none_or(|now| now.record != seen.entry.record) {
            return Ok(false);
        }
        self.admin_call(id, self.store().purge(id)).await
    }
}
