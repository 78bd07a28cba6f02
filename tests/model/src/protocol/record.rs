//! [`Record`]: what the store keeps for the key.

use std::fmt;

/// Where a record stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Phase {
    /// There is none.
    #[default]
    Vacant,
    /// An owner has it, and its lease runs.
    Reserved,
    /// Its lease is over or was given up: suspended, since it has a journal or an input.
    Lapsed,
    /// Nothing runs until an operator says what happened.
    Indeterminate,
    /// The result is kept.
    Completed,
}

/// The record of the key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Record {
    /// Where it stands.
    pub phase: Phase,
    /// The run whose token it has.
    pub token: u8,
    /// Whether it says that it has a journal.
    pub journaled: bool,
    /// Whether recovery finds it, once it is lapsed.
    pub due: bool,
    /// Whether it has the second payload's fingerprint.
    pub second_payload: bool,
    /// Whether the caller of the last run was told the body's own error.
    pub told_error: bool,
    /// Whether it is indeterminate only because its step is in doubt.
    pub waits_for_step: bool,
}

impl Record {
    /// Whether it is a reservation of a run that no other run has taken, in doubt or not.
    pub(super) fn is_untaken_from(&self, run: u8) -> bool {
        self.is_held_by(run) || self.token == run && self.phase == Phase::Indeterminate
    }

    /// Suspends a call that was indeterminate.
    pub(super) fn go_on(&mut self, is_due: bool) {
        let (phase, waits_for_step, told_error) = (Phase::Lapsed, false, false);
        *self = Self { phase, waits_for_step, told_error, due: is_due, ..*self };
    }

    /// Whether a run's token is in a record that is reserved, or lapsed and not taken by another.
    pub(super) fn is_held_by(&self, run: u8) -> bool {
        self.token == run && matches!(self.phase, Phase::Reserved | Phase::Lapsed)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let run = self.token;
        match self.phase {
            Phase::Vacant => f.write_str("vacant"),
            Phase::Reserved => write!(f, "reserved by {run}"),
            Phase::Lapsed => write!(f, "suspended by {run}"),
            Phase::Indeterminate => write!(f, "indeterminate by {run}"),
            Phase::Completed => write!(f, "completed by {run}"),
        }
    }
}
