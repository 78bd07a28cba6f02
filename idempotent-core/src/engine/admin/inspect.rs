//! The operator's side: inspecting records, and removing those that no call will end. Saying what a
//! call turned out to be is in `resolve`.

use std::time::{Duration, SystemTime};

use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::Transition;
use crate::error::{Error, ErrorKind};
use crate::model::Key;
use crate::model::{
    AnyKey, Fingerprint, Guarantee, InvalidRecordId, Outcome, OwnerState, Record, RecordId,
    ResultTypes, StepEntry, StepId, Token, TraceParent,
};
use crate::store::{Entry, Release, State, StoreError, StoreErrorKind};

/// Why a call has a journal and no steps.
pub(super) const LOST: &str = "its journal is lost: the server evicted it, or somebody deleted it";

/// A record as it was when it was inspected.
///
/// A later [`release`](Idempotency::release) or [`resolve`](Idempotency::resolve) is fenced by its
/// token: it acts on exactly this record, or not at all.
#[derive(Clone, Debug)]
pub struct Inspection {
    pub(super) id: RecordId,
    pub(super) entry: Entry,
    pub(super) steps: Vec<(StepId, StepEntry)>,
    pub(super) steps_unread: Option<String>,
    due_in: Option<Duration>,
}

impl Inspection {
    /// A record that was found, without its steps.
    pub(super) const fn found(id: RecordId, entry: Entry) -> Self {
        Self { id, entry, steps: Vec::new(), steps_unread: None, due_in: None }
    }

    /// The record's id.
    #[must_use]
    pub fn id(&self) -> &RecordId {
        &self.id
    }

    /// Whether the call has a journal of steps, [loaded](Self::steps) or not.
    #[must_use]
    pub fn has_journal(&self) -> bool {
        self.entry.record.has_journal()
    }

    /// The record's state.
    #[must_use]
    pub fn state(&self) -> State {
        self.entry.state
    }

    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &str {
        self.entry.record.operation()
    }

    /// The key's text, unless the engine redacts keys.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.entry.record.key()
    }

    /// The scope's text, unless the engine redacts keys or the call has no scope.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.entry.record.scope()
    }

    /// Whether the record has the call's [input](crate::call::CallBuilder::resume), so that a
    /// [`Recovery`](crate::engine::Recovery) may run it without its caller.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.entry.record.has_input()
    }

    /// Whether a [`Recovery`](crate::engine::Recovery) has given the call up, and nothing goes on with it before somebody
    /// [resumes](Idempotency::resume) or [resolves](Idempotency::resolve) it. Its [last error](Self::last_error) says why.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.state() == State::Indeterminate && self.entry.record.is_parked()
    }

    /// What the owner of the reservation last said about itself.
    #[must_use]
    pub fn owner_state(&self) -> OwnerState {
        self.entry.record.owner_state()
    }

    /// What went wrong when the call ended without a known outcome, if its owner said so.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.entry.record.last_error()
    }

    /// How often a [`Recovery`](crate::engine::Recovery) has resumed the call since it last recorded a step.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.entry.record.attempts()
    }

    /// The [steps](crate::guide::calls_of_several_effects) that the call's journal knows, in the order in which they began, as
    /// far as their owners' clocks tell milliseconds apart: what each is called, its key, how far it has come, when that was written and how long it ran. What an
    /// interrupted run missed is in its [last error](Self::last_error). A [scan](Idempotency::scan) has none of them, unless
    /// it is one for [what is in doubt](crate::store::Scan::in_doubt), whose entries lack what the steps returned: inspect the record.
    #[must_use]
    pub fn steps(&self) -> &[(StepId, StepEntry)] {
        &self.steps
    }

    /// In how long a [`Recovery`](crate::engine::Recovery) resumes the call, once nobody runs it; zero if it may at once.
    /// `None` if the call has no input, or waits for its next caller. A [scan](Idempotency::scan) does not ask for it.
    #[must_use]
    pub fn due_in(&self) -> Option<Duration> {
        self.due_in
    }

    /// The token of the attempt that wrote it.
    #[must_use]
    pub fn token(&self) -> Token {
        self.entry.record.token()
    }

    /// The guarantee of its operation. A call that [is parked](Self::is_parked), or waits until a step in doubt is settled, is
    /// indeterminate though its operation is *at least once*: recorded steps stay recorded, and the rest may run again.
    #[must_use]
    pub fn guarantee(&self) -> Guarantee {
        let record = &self.entry.record;
        // Both are written over *at least once* alone, to stay indeterminate.
        if record.waits_for_steps() || record.is_parked() {
            return Guarantee::AtLeastOnce;
        }
        record.guarantee()
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

    /// How long its reservation holds unless it is renewed.
    #[must_use]
    pub fn lease(&self) -> Duration {
        self.entry.record.lease()
    }

    /// When it was reserved, by its owner's clock.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.entry.record.created()
    }

    /// The names of the types that the call's result may have, as its own process named them; `None` for
    /// operations that are *at least once* and do not resume, and for records that are older than this. See
    /// [`resolve`](Idempotency::resolve).
    #[must_use]
    pub fn result_types(&self) -> Option<ResultTypes<'_>> {
        self.entry.record.result_types()
    }

    /// The span of a distributed trace in which the call ran, if its engine had a
    /// [`TraceContext`](crate::engine::TraceContext).
    #[must_use]
    pub fn trace_parent(&self) -> Option<TraceParent> {
        self.entry.record.trace_parent()
    }

    /// Whether its result is what somebody said who [resolved](Idempotency::resolve) the call. Such a record can be
    /// [corrected](Idempotency::correct).
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.entry.record.is_resolved()
    }

    /// Whether it is a tombstone: completed, but its result was not kept.
    #[must_use]
    pub fn is_tombstone(&self) -> bool {
        matches!(self.entry.record.outcome(), Outcome::NotKept(_))
    }

    /// The time until the lease lapses (reserved) or the key becomes vacant (completed,
    /// indeterminate), if the store can tell.
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
    /// [`InvalidRecordId`] if the name is invalid, or if the scope or the key is empty or `None`,
    /// or has a part that is.
    pub fn record_id(
        &self,
        operation: &str,
        scope: Option<&dyn AnyKey>,
        key: &(impl Key + ?Sized),
    ) -> Result<RecordId, InvalidRecordId> {
        RecordId::keyed(operation.to_owned().into(), scope, key, self.settings().secret.as_ref())
    }

    /// Returns the record of an id, if there is one.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] if the store fails, [`ErrorKind::Incompatible`] if the stored bytes are
    /// not a record, [`ErrorKind::NotAuthentic`] if nobody with the engine's secret wrote it.
    pub async fn inspect(&self, id: &RecordId) -> Result<Option<Inspection>, Error> {
        let Some(entry) = self.admin_call(id, self.store().load(id)).await? else {
            return Ok(None);
        };
        self.authenticate(id, &entry.record)?;
        let steps = self.steps_of(id, &entry.record).await?;
        let steps_unread = match &steps {
            Some(steps) if steps.is_empty() && entry.record.has_journal() => {
                // A call that has ended meanwhile has none, either.
                let now = self.admin_call(id, self.store().load(id)).await?;
                now.is_some_and(|now| now.record == entry.record).then(|| LOST.to_owned())
            }
            Some(_) => None,
            None => Some("the store keeps no journals".to_owned()),
        };
        let (steps, due_in) = (steps.unwrap_or_default(), self.due_in(id, &entry.record).await?);
        Ok(Some(Inspection { id: id.clone(), entry, steps, steps_unread, due_in }))
    }

    /// In how long a recovery resumes the call, if one does.
    pub(super) async fn due_in(
        &self,
        id: &RecordId,
        record: &Record,
    ) -> Result<Option<Duration>, Error> {
        match self.store().due_calls().filter(|_| record.has_input()) {
            Some(index) => self.admin_call(id, index.due_in(id)).await,
            None => Ok(None),
        }
    }

    /// Removes the record of an id, whatever its state, and returns whether there was one. The next
    /// call runs the body, even if the effect has already happened.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] if the store fails.
    pub async fn purge(&self, id: &RecordId) -> Result<bool, Error> {
        self.admin_call(id, self.store().purge(id)).await
    }

    /// Makes a reserved key vacant before its lease lapses, for an owner that is known to be dead. A call with steps
    /// or an input keeps them, and is suspended: its next caller resumes it, or a [`Recovery`](crate::engine::Recovery).
    /// A record that has changed since it was inspected stays as it is. Returns the record that the
    /// id has afterwards, if any.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Store`] if the store fails.
    pub async fn release(&self, seen: &Inspection) -> Result<Option<Inspection>, Error> {
        let record = &seen.entry.record;
        if record.has_progress() || record.has_input() {
            self.end_lease(seen).await?;
            return self.inspect(&seen.id).await;
        }
        let request = Release::new(&seen.id, &seen.entry.record);
        self.admin_call(&seen.id, self.store().release(&request)).await?;
        self.inspect(&seen.id).await
    }

    /// The steps of a call, the first first; `None` if the store keeps none.
    pub(super) async fn steps_of(
        &self,
        id: &RecordId,
        record: &Record,
    ) -> Result<Option<Vec<(StepId, StepEntry)>>, Error> {
        let Some(journal) = record.journal() else { return Ok(Some(Vec::new())) };
        let Some(store) = self.store().journal() else { return Ok(None) };
        let mut steps = self.admin_call(id, store.load_steps(id, journal)).await?;
        for (step, entry) in &steps {
            if let Err(why) = self.0.authenticity.check_step(journal, step, entry) {
                let why = format!("step `{}`: {why}", entry.name());
                return Err(Error::of(ErrorKind::NotAuthentic, id).detail(why));
            }
        }
        // Of quick ones that are at least once, the attempts tell the order in which their run asked for them.
        steps.sort_by_key(|(id, step)| (began(step), step.written(), step.attempt().number(), *id));
        Ok(Some(steps))
    }

    pub(super) async fn admin_call<T>(
        &self,
        id: &RecordId,
        call: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, Error> {
        self.0.call(Transition::Admin, Duration::MAX, call).await.map_err(|error| {
            let kind = match error.kind() {
                StoreErrorKind::Malformed => ErrorKind::Incompatible,
                _ => ErrorKind::Store,
            };
            Error::of(kind, id).detail(error.to_string()).caused_by(error)
        })
    }
}

/// When a step began, by its owner's clock.
fn began(step: &StepEntry) -> SystemTime {
    step.written().checked_sub(step.took()).unwrap_or(step.written())
}
