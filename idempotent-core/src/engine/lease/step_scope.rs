//! [`StepScope`]: a step as its body and the steps within it see it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::lease_state::Lease;
use super::outer_call::{Nesting, OuterCall};
use crate::engine::journal::{Poison, RunJournal, wall_clock};
use crate::model::{Fingerprint, KeyParts, RecordId, ResultTypes, StepHead, StepId, Token};

/// A step that the body of a call has asked for.
pub(in crate::engine) struct StepScope {
    pub(in crate::engine) lease: Arc<Lease>,
    pub(in crate::engine) journal: Arc<RunJournal>,
    pub(in crate::engine) id: StepId,
    pub(in crate::engine) part_of: StepId,
    pub(in crate::engine) name: &'static str,
    pub(in crate::engine) key: Option<Box<KeyParts>>,
    /// Whether the key is not shown.
    pub(in crate::engine) redacts: bool,
    pub(in crate::engine) version: u32,
    pub(in crate::engine) fingerprint: Option<Fingerprint>,
    /// The names of what it may return, for whoever has to say what it did.
    pub(in crate::engine) result_types: Option<fn() -> ResultTypes<'static>>,
    pub(in crate::engine) attempt: Token,
    /// The step around it.
    pub(in crate::engine) outer: Option<Arc<StepScope>>,
    pub(in crate::engine) nesting: Nesting,
    /// Whether it contains a step that poisoned the run.
    pub(in crate::engine) is_poisoned: AtomicBool,
}

impl StepScope {
    /// Its key, unless keys are not shown.
    pub(in crate::engine) fn shown_key(&self) -> Option<&KeyParts> {
        self.key.as_deref().filter(|_| !self.redacts)
    }

    /// What every entry of it has that is written at that moment.
    pub(in crate::engine) fn head(&self, now: Instant) -> StepHead<'_> {
        StepHead {
            part_of: self.part_of,
            name: self.name,
            key: self.shown_key(),
            written: self.journal.wall_time(now),
            attempt: self.attempt,
            version: self.version,
            fingerprint: self.fingerprint,
        }
    }

    /// The same of what is rare and may be late, such as what an operator looks for: it has the wall clock's own time.
    pub(in crate::engine) fn head_by_wall_clock(&self) -> StepHead<'_> {
        StepHead { written: wall_clock(), ..self.head(Instant::now()) }
    }

    /// Ends the run, and marks every step that this one is a part of.
    pub(in crate::engine) fn poison(&self, poison: Poison) {
        let mut step = Some(self);
        while let Some(it) = step {
            it.is_poisoned.store(true, Ordering::Relaxed);
            step = it.outer.as_deref();
        }
        self.journal.poison(poison);
    }

    pub(in crate::engine) fn is_poisoned(&self) -> bool {
        self.is_poisoned.load(Ordering::Relaxed)
    }
}

impl OuterCall for StepScope {
    fn id(&self) -> &RecordId {
        &self.lease.id
    }

    fn token(&self) -> Option<Token> {
        Some(self.lease.reservation.token())
    }

    fn nesting(&self) -> &Nesting {
        &self.nesting
    }

    fn resumable_for(&self) -> Option<Duration> {
        self.lease.resumable_for()
    }
}
