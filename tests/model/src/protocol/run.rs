//! [`Run`]: one attempt to run the body, by the call itself, a retry or recovery.

use super::request::{Request, Requests};

/// How many runs there can be.
pub const RUNS: usize = 3;

/// Who runs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Kind {
    /// A client: the first call, or a retry of it.
    #[default]
    Client,
    /// A client that uses the same key with another payload.
    OtherPayload,
    /// The recovery task of some process.
    Recovery,
}

/// How far a run has come.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Stage {
    /// It has not started.
    #[default]
    Idle,
    /// It waits for the answer to its reserve.
    Reserving,
    /// It found a suspended call, and waits for the answer to its resume.
    Resuming,
    /// It has the reservation of a suspended call, and has not read the journal.
    Loading,
    /// Its body runs.
    Running,
    /// Its caller has an answer, or its process is dead.
    Ended,
}

/// How far a run has come with a step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Progress {
    /// It was not asked for.
    #[default]
    Idle,
    /// *Begin* is on its way.
    Beginning,
    /// *Begin* was acknowledged, and the body has not started.
    Begun,
    /// The body took effect, and its record is on its way.
    Recording,
    /// The body failed without an effect, and *begun* is being taken back.
    TakingBack,
    /// The body has its result.
    Done,
    /// The body failed without an effect, or never ran. It may be asked for again.
    Failed,
    /// The body of the call got an error of the store for it.
    Lost,
    /// A run before this one began it, and nobody knows how it ended.
    InDoubt,
}

impl Progress {
    /// Whether a step has started and is not over.
    pub(super) fn is_pending(self) -> bool {
        matches!(self, Self::Beginning | Self::Begun | Self::Recording | Self::TakingBack)
    }

    /// Whether the body of the call has an answer, good or bad.
    pub(super) fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::Lost)
    }

    /// Whether the body of the call may ask for it.
    pub(super) fn is_askable(self) -> bool {
        matches!(self, Self::Idle | Self::Failed)
    }
}

/// One attempt to run the body, and its requests that are on their way.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Run {
    /// How far it has come.
    pub stage: Stage,
    /// Who runs.
    pub kind: Kind,
    /// Whether it has the second payload. Recovery has the one of the record.
    pub second_payload: bool,
    /// The token that it saw in a suspended call.
    pub seen: u8,
    /// Whether its own clock says that its lease is over.
    pub late: bool,
    /// Whether it knows of a journal: it has loaded one, or had a write acknowledged.
    pub knows_journal: bool,
    /// The first of the two parallel steps.
    pub a: Progress,
    /// The parallel step that is at most once.
    pub m: Progress,
    /// Whether `m` is at its second attempt.
    pub second: bool,
    /// The step after both.
    pub z: Progress,
    /// What it has sent and the store has not received. A request stays here when its run ends, and may
    /// arrive at any later time or never.
    pub sent: Requests,
    /// Writes that the store has let through and not committed.
    pub uncommitted: Requests,
}

impl Run {
    /// Whether somebody still waits for it.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.stage, Stage::Idle | Stage::Ended)
    }

    /// Whether it waits for the answer to a request.
    pub(super) fn awaits(&self, request: Request) -> bool {
        match request {
            Request::Reserve => self.stage == Stage::Reserving,
            Request::Resume => self.stage == Stage::Resuming,
            _ if self.stage != Stage::Running => false,
            Request::RecordA => self.a == Progress::Recording,
            Request::RecordZ => self.z == Progress::Recording,
            Request::Begin(second) => self.m == Progress::Beginning && self.second == second,
            Request::Settle(second) => self.m == Progress::Recording && self.second == second,
            Request::TakeBack(second) => self.m == Progress::TakingBack && self.second == second,
            Request::Complete
            | Request::Release
            | Request::Suspend
            | Request::Vacate
            | Request::Due => false,
        }
    }

    /// Ends it. What it has sent stays on its way.
    pub(super) fn end(&mut self) {
        // What it thinks of `m` may still be on its way.
        let m = if self.m == Progress::InDoubt { Progress::InDoubt } else { Progress::Idle };
        *self = Self {
            m,
            stage: Stage::Ended,
            kind: self.kind,
            second_payload: self.second_payload,
            seen: self.seen,
            sent: self.sent,
            uncommitted: self.uncommitted,
            ..Self::default()
        };
    }
}
