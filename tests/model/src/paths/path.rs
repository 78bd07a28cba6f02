//! [`StorePath`]: what a store sees of a trace.

use std::fmt;

use crate::protocol::{Action, Answer, Journal, Kind, Protocol, Record, Request, State};

/// What is done to the store.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Operation {
    /// A run's request.
    Request {
        /// The run.
        run: u8,
        /// What it asks for.
        request: Request,
        /// The run whose token it saw, where it resumes.
        seen: u8,
    },
    /// A run reads the journal.
    Load {
        /// The run.
        run: u8,
    },
    /// Recovery finds the suspended call in the index, for a run that will resume it.
    Look {
        /// The run.
        run: u8,
    },
    /// The store's clock passes the end of the lease.
    Lapse,
}

/// One operation, and what must be so after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Move {
    /// What is done.
    pub operation: Operation,
    /// What the store answers.
    pub answer: Answer,
    /// What the record is then.
    pub record: Record,
    /// What the journal is then.
    pub journal: Journal,
}

/// What a store sees of a trace.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StorePath {
    /// In their order.
    pub moves: Vec<Move>,
}

impl Operation {
    /// What a store sees of an action.
    pub(super) fn of(action: Action, state: &State) -> Option<Self> {
        match action {
            Action::Deliver(run, request) | Action::DeliverTwice(run, request) => {
                let resumes = request == Request::Resume;
                let seen = if resumes { state.runs[usize::from(run)].seen } else { 0 };
                Some(Self::Request { run, request, seen })
            }
            Action::Load(run) => Some(Self::Load { run }),
            Action::Start(run, Kind::Recovery) => Some(Self::Look { run }),
            Action::Lapse => Some(Self::Lapse),
            _ => None,
        }
    }

    /// What the store answers.
    pub(super) fn answer(self, model: &Protocol, state: &State) -> Answer {
        match self {
            Self::Request { run, request, .. } => model.answer(state, run, request),
            Self::Load { .. } | Self::Look { .. } | Self::Lapse => Answer::Nothing,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request { run, request: Request::Resume, seen } => {
                write!(f, "run {run}: resume what {seen} left")
            }
            Self::Request { run, request, .. } => write!(f, "run {run}: {request}"),
            Self::Load { run } => write!(f, "run {run}: load"),
            Self::Look { run } => write!(f, "run {run}: recovery looks"),
            Self::Lapse => f.write_str("the lease lapses"),
        }
    }
}

impl fmt::Display for StorePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Move { operation, answer, record, journal } in &self.moves {
            let operation = operation.to_string();
            writeln!(f, "{operation:30} {answer:10?} {record} {journal}")?;
        }
        Ok(())
    }
}
