//! Saying what a call turned out to be, if its owner no longer can, and correcting what was said.

use super::inspect::Inspection;
use super::moved_on::moved_on;
use super::resolution::{Ending, Resolution, Said, not_applied};
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Outcome, Record};
use crate::store::{Complete, CompleteOutcome, Correct, CorrectOutcome, IfVacant, Release, State};

impl Idempotency {
    /// Says what an indeterminate or reserved call turned out to be.
    ///
    /// It acts only on the record that was inspected. A record that has changed since, for example
    /// because its late owner completed it, stays as it is.
    ///
    /// A value of another type than the operation's is refused, as far as the record knows that type: the records of
    /// *at most once* and of calls that [resume](crate::call::CallBuilder::resume) do, by its
    /// [name](Inspection::result_types). If a result was recorded that is wrong all the same,
    /// [`correct`](Self::correct) it.
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::InProgress`] if another attempt has taken the key.
    /// * [`ErrorKind::Indeterminate`] if the record has changed otherwise: inspect it again. Also if the call is said to
    ///   have never happened and one of its steps is in doubt, or has run without a result that was kept: [resolve the
    ///   step](Self::resolve_step) first.
    /// * [`ErrorKind::Encode`] if the value has another type than the operation's result, cannot be encoded or exceeds
    ///   the engine's limit; or if it is an error, and the operation does not memoize errors.
    /// * [`ErrorKind::Incompatible`] if the resolution is [of another version](Resolution::of_version), or if the call is said
    ///   to have never happened and its journal is lost, so that nothing can go on.
    /// * [`ErrorKind::Store`] if the store fails.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use idempotent_core::{Idempotency, backends::MemoryStore, engine::Resolution};
    /// # use idempotent_core::store::Scan;
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// let page = engine.scan(&Scan::indeterminate()).await?;
    /// for seen in &page.entries {
    ///     let resolution = match ask_the_gateway(seen.key()) {
    ///         Some(receipt) => Resolution::completed(receipt),
    ///         None => Resolution::never_happened_and_owner_is_dead(),
    ///     };
    ///     engine.resolve(seen, resolution).await?;
    /// }
    /// # fn ask_the_gateway(_: Option<&str>) -> Option<String> { None }
    /// # Ok(()) }
    /// ```
    pub async fn resolve(&self, seen: &Inspection, resolution: Resolution) -> Result<(), Error> {
        let Resolution(Said::Ended(ending)) = resolution else { return self.vacate(seen).await };
        let ttl = ending.ttl.unwrap_or(self.settings().ttl);
        let record = self.resolved_record(seen, ending)?;
        let request =
            Complete::new(&seen.id, &seen.entry.record, &record, ttl).if_vacant(IfVacant::Refuse);
        match self.admin_call(&seen.id, self.store().complete(&request)).await? {
            CompleteOutcome::Gone => Err(moved_on(seen, None)),
            CompleteOutcome::Superseded(entry) => Err(moved_on(seen, Some(&entry))),
            // Its late owner may have been first: then the owner's result is recorded, not this
            // one.
            CompleteOutcome::Recorded => match self.inspect(&seen.id).await? {
                Some(now) if now.entry.record == record => Ok(()),
                now => Err(moved_on(seen, now.as_ref().map(|now| &now.entry))),
            },
        }
    }

    /// Replaces what somebody [resolved](Self::resolve) a call to be, if that was wrong.
    ///
    /// It acts only on the record that was inspected, byte by byte, and only on one that was
    /// [resolved](Inspection::is_resolved): what a call itself has recorded is final. Near caches of all processes are
    /// told, as of a purge. **Earlier replays stand**: whoever got the wrong result still has it, and nobody is told.
    /// The new result is kept for the engine's `ttl` from now on, or [as long as it says](Resolution::keep_for).
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use idempotent_core::{Disposition, Error, Guarantee, Idempotency, Operation, backends::MemoryStore};
    /// # use idempotent_core::engine::Resolution;
    /// # let engine = Idempotency::new(MemoryStore::new());
    /// # let charge = Operation::new("charge").guarantee(Guarantee::AtMostOnce);
    /// # let lost = charge.key("order 7").engine(&engine).returning::<Result<String, Error>>();
    /// # if let idempotent_core::call::BeginOutcome::Reserved(lost) = lost.begin().await? { lost.abandon().await }
    /// let id = engine.record_id("charge", None, "order 7")?;
    /// if let Some(lost) = engine.inspect(&id).await? {
    ///     engine.resolve(&lost, Resolution::completed("receipt 8")).await?; // a slip
    /// }
    /// if let Some(wrong) = engine.inspect(&id).await? {
    ///     engine.correct(&wrong, Resolution::completed("receipt 7")).await?;
    /// }
    /// let again = charge.key("order 7").engine(&engine).returning::<Result<String, Error>>();
    /// assert_eq!(again.run(|| async { Ok("never run".to_owned()) }).await?, "receipt 7");
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// * [`ErrorKind::Misconfigured`] if the record was not resolved, if the resolution is
    ///   [`never_happened_and_owner_is_dead`](Resolution::never_happened_and_owner_is_dead), for which there is
    ///   [`purge`](Self::purge), or if the store [cannot correct](crate::Store::correct) records.
    /// * [`ErrorKind::InProgress`] and [`ErrorKind::Indeterminate`] if the record has changed since it was inspected.
    /// * [`ErrorKind::Encode`], [`ErrorKind::Incompatible`] and [`ErrorKind::Store`] as in [`resolve`](Self::resolve).
    pub async fn correct(&self, seen: &Inspection, resolution: Resolution) -> Result<(), Error> {
        let refused =
            |why: &'static str| Err(not_applied(ErrorKind::Misconfigured, &seen.id).detail(why));
        if !seen.is_resolved() {
            return refused(match seen.state() {
                State::Completed => {
                    "only what was resolved by hand can be corrected, and this result is the call's own"
                }
                _ => {
                    "only what was resolved by hand can be corrected, and this is not resolved yet: use `resolve`"
                }
            });
        }
        let Resolution(Said::Ended(ending)) = resolution else {
            return refused("to make a resolved record vacant, purge it");
        };
        let ttl = ending.ttl.unwrap_or(self.settings().ttl);
        let record = self.resolved_record(seen, ending)?;
        let request = Correct::new(&seen.id, &seen.entry.record, &record, ttl);
        match self.admin_call(&seen.id, self.store().correct(&request)).await? {
            CorrectOutcome::Corrected => Ok(()),
            CorrectOutcome::Unsupported => refused("the store cannot correct records"),
            CorrectOutcome::Changed => {
                let now = self.inspect(&seen.id).await?;
                Err(moved_on(seen, now.as_ref().map(|now| &now.entry)))
            }
        }
    }

    /// The record to write, as it is written.
    fn resolved_record(&self, seen: &Inspection, ending: Ending) -> Result<Record, Error> {
        let payload = ending.payload_for(&seen.id, &seen.entry.record)?;
        let limit = self.settings().max_result_bytes;
        // A parked call has the guarantee of its operation again.
        let reserved = match seen.is_parked() {
            true => seen.entry.record.with_guarantee(seen.guarantee()),
            false => seen.entry.record.clone(),
        };
        let record = reserved.completed_with(limit, |out| {
            out.extend_from_slice(&payload);
            Ok::<_, Error>(())
        })?;
        if let Outcome::NotKept(why) = record.outcome() {
            return Err(not_applied(ErrorKind::Encode, &seen.id).detail(why.as_str()));
        }
        Ok(self.seal(&seen.id, &record.resolved()))
    }

    async fn vacate(&self, seen: &Inspection) -> Result<(), Error> {
        let record = &seen.entry.record;
        if record.has_progress() || record.has_input() {
            // A step in doubt needs its own answer: whoever was asked about the call may not know of it.
            self.check_can_go_on(seen).await?;
            return self.make_resumable(seen).await;
        }
        let request = Release::new(&seen.id, &seen.entry.record).including_indeterminate();
        self.admin_call(&seen.id, self.store().release(&request)).await?;
        match self.inspect(&seen.id).await? {
            Some(now) if now.state() != State::Lapsed => Err(moved_on(seen, Some(&now.entry))),
            _ => Ok(()),
        }
    }
}
