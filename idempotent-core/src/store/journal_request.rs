//! The requests to a store about journals.

use std::time::Duration;

use crate::model::{OwnerState, Record, RecordId, StepEntry, StepId};

/// A request to write one step of a call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct WriteStep<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The reservation with its journal: to be written in the place of one with the same token that has none yet. Its
    /// [token](Record::token) is what the stored record must have, and its [journal](Record::journal) where the step is
    /// written.
    pub record: &'a Record,
    /// The step.
    pub step: &'a StepId,
    /// What the journal is to say of it.
    pub entry: &'a StepEntry,
    /// What may stand there before.
    pub replaces: Replaces<'a>,
    /// Whether the lease must not have lapsed: the step is about to run.
    pub begins: bool,
    /// Entries of other steps, each to be written only if nothing stands there.
    pub also: &'a [(StepId, StepEntry)],
    /// Whether the record is marked already, as far as its owner knows: a write of it was acknowledged. A hint, by which
    /// a store may save itself to send the record; the server may have lost it.
    pub is_marked: bool,
}

/// What an entry of a step may replace. One that is the same already is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replaces<'a> {
    /// No entry.
    Nothing,
    /// Whatever stands there.
    Anything,
    /// Exactly this entry.
    Entry(&'a StepEntry),
}

/// A request to take a suspended call.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Resume<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The suspended reservation that was seen: compare all of it. A late owner that writes its first step changes it
    /// and keeps its token.
    pub seen: &'a Record,
    /// The reservation to write in its place, with a token of its own and the same journal.
    pub record: &'a Record,
    /// The lease, counted from now by the store's clock.
    pub lease: Duration,
    /// When a reservation with an input is [due](super::DueCalls), counted likewise.
    pub due_in: Duration,
}

/// A request to end a run that its owner does not complete.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Suspend<'a> {
    /// The record's id.
    pub id: &'a RecordId,
    /// The reservation: compare its token.
    pub reservation: &'a Record,
    /// The record to write in its place if it has a journal. If this has none itself, a reservation that has one stays as
    /// it is. Its [token](Record::token) may be another one: then the owner of the reservation is fenced from now on.
    pub suspended: &'a Record,
    /// What becomes of a reservation that has none.
    pub otherwise: WithoutJournal<'a>,
    /// Entries to replace where exactly the first of the two stands.
    pub settles: &'a [(StepId, StepEntry, StepEntry)],
    /// When a record with an input is [due](super::DueCalls), counted from now by the store's clock. `None`: it waits
    /// for its next caller.
    pub due_in: Option<Duration>,
}

/// What [`Journal::suspend`](super::Journal::suspend) does with a reservation that has no journal.
#[derive(Clone, Copy, Debug)]
pub enum WithoutJournal<'a> {
    /// Its id becomes vacant; unless it was [resumed](super::Journal::resume), so that an earlier run of the call was
    /// interrupted. Then only its lease ends.
    Release,
    /// It is [abandoned](super::Store::abandon), with this record. If that has an input, it is due as
    /// [`Suspend::due_in`] says.
    Abandon(&'a Record),
}

impl<'a> WriteStep<'a> {
    /// Creates a request that writes over whatever stands there.
    #[must_use]
    pub const fn new(
        id: &'a RecordId,
        record: &'a Record,
        step: &'a StepId,
        entry: &'a StepEntry,
    ) -> Self {
        let (replaces, begins) = (Replaces::Anything, false);
        Self { id, record, step, entry, replaces, begins, also: &[], is_marked: false }
    }

    /// Sets what may stand there before.
    #[must_use]
    pub const fn replacing(mut self, replaces: Replaces<'a>) -> Self {
        self.replaces = replaces;
        self
    }

    /// Says that the step is about to run.
    #[must_use]
    pub const fn beginning(mut self) -> Self {
        self.begins = true;
        self
    }

    /// Says that a write to this journal was acknowledged before.
    #[must_use]
    pub const fn marked(mut self) -> Self {
        self.is_marked = true;
        self
    }

    /// Adds entries of other steps.
    #[must_use]
    pub const fn also(mut self, also: &'a [(StepId, StepEntry)]) -> Self {
        self.also = also;
        self
    }
}

impl<'a> Resume<'a> {
    /// Creates a request. A reservation with an input is due at the end of its lease.
    #[must_use]
    pub const fn new(
        id: &'a RecordId,
        seen: &'a Record,
        record: &'a Record,
        lease: Duration,
    ) -> Self {
        Self { id, seen, record, lease, due_in: lease }
    }

    /// Sets when a reservation with an input is due.
    #[must_use]
    pub const fn due_in(mut self, due_in: Duration) -> Self {
        self.due_in = due_in;
        self
    }
}

impl<'a> Suspend<'a> {
    /// Creates a request that releases a reservation without a journal.
    #[must_use]
    pub const fn new(id: &'a RecordId, reservation: &'a Record, suspended: &'a Record) -> Self {
        let otherwise = WithoutJournal::Release;
        Self { id, reservation, suspended, otherwise, settles: &[], due_in: None }
    }

    /// Sets what becomes of a reservation without a journal.
    #[must_use]
    pub const fn otherwise(mut self, otherwise: WithoutJournal<'a>) -> Self {
        self.otherwise = otherwise;
        self
    }

    /// Adds entries to replace.
    #[must_use]
    pub const fn settling(mut self, settles: &'a [(StepId, StepEntry, StepEntry)]) -> Self {
        self.settles = settles;
        self
    }

    /// Sets when a record with an input is due.
    #[must_use]
    pub const fn due_in(mut self, due_in: Option<Duration>) -> Self {
        self.due_in = due_in;
        self
    }

    /// Whether the lease ends now. Otherwise it goes on as it is.
    #[must_use]
    pub fn ends_lease(&self) -> bool {
        self.suspended.owner_state() == OwnerState::Abandoned
    }
}
