//! [`State`]: everything at one moment.

use std::fmt;

use super::property::Property;

/// How many steps the call has.
pub const STEPS: u8 = 2;

/// After so many claims without a new step the call is parked.
pub const MAX_ATTEMPTS: u8 = 2;

/// Who runs: the first owner and its retries, and two workers with a recovery.
pub const WORKERS: usize = 3;

/// The number of an owner that is dead, or never learned that it is one.
pub(super) const NOBODY: u8 = WORKERS as u8;

/// Where the record stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Phase {
    /// An owner has it, and its lease runs.
    #[default]
    Reserved,
    /// Nobody runs it.
    Suspended,
    /// Nobody runs it until an operator says so.
    Parked,
    /// The result is kept.
    Completed,
}

/// When a recovery may take it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Due {
    /// After a while.
    #[default]
    Later,
    /// Now, if it is suspended.
    Now,
    /// Only its caller may.
    Never,
}

/// The record of the call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Record {
    /// Where it stands.
    pub phase: Phase,
    /// Who reserved it last.
    pub owner: u8,
    /// When a recovery may take it.
    pub due: Due,
    /// How often recoveries have claimed it since a step was recorded.
    pub attempts: u8,
    /// How many steps were recorded when it was claimed last.
    pub counted: u8,
    /// Whether its caller was told an error of its own.
    pub told_error: bool,
}

/// How far a worker has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Stage {
    /// It looks for calls that are due.
    #[default]
    Idle,
    /// Its claim is on its way.
    Claiming,
    /// It knows that it has the call.
    Claimed,
    /// It knows that it has claimed the call once too often.
    Exhausted,
    /// It runs the body.
    Running,
}

/// A worker, or the client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Worker {
    /// How far it has come.
    pub stage: Stage,
    /// Whether the record is still the one that it has seen.
    pub is_current: bool,
    /// Whether its own clock says that its lease is over.
    pub is_late: bool,
}

/// The record, the workers, and what has happened.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct State {
    /// The record.
    pub record: Record,
    /// How many steps are recorded.
    pub steps: u8,
    /// The client first, then the workers.
    pub workers: [Worker; WORKERS],
    /// A claim that was sent by a process that no longer waits for its answer, and whether the record is still the one that
    /// it saw.
    pub late_claim: Option<bool>,
    /// Attempts since the last new step or word of an operator that were not the store's fault, or another build's; with the
    /// claims that the store did when their senders had given up.
    pub deserved: u8,
    /// Bodies that recoveries have started since.
    pub bodies: u8,
    /// How many faults may still come.
    pub faults: u8,
    /// How many bodies may still end in an error of their own.
    pub errors: u8,
    /// How often the client may still come back.
    pub retries: u8,
    /// How often an operator may still say that it should run.
    pub operators: u8,
    /// What the last action broke.
    pub broken: Option<Property>,
}

impl State {
    /// Notes what was broken; the first one counts.
    pub(super) fn broke(&mut self, property: Property) {
        self.broken.get_or_insert(property);
    }

    /// Whether the one who reserved the call last runs it, and its own clock lets it.
    pub(super) fn has_living_owner(&self) -> bool {
        let owner = self.workers.get(usize::from(self.record.owner));
        self.record.phase == Phase::Reserved
            && owner.is_some_and(|owner| owner.stage == Stage::Running && !owner.is_late)
    }

    /// Writes another record, so that whoever saw the one before compares in vain.
    pub(super) fn write(&mut self, record: Record) {
        self.record = record;
        for worker in &mut self.workers {
            worker.is_current = false;
        }
        self.late_claim = self.late_claim.map(|_| false);
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Record { phase, owner, due, attempts, told_error, .. } = self.record;
        write!(f, "{phase:?} by {owner}, due {due:?}, {attempts} attempts, {} steps", self.steps)?;
        if told_error { f.write_str(", told no") } else { Ok(()) }
    }
}
