//! What happened, written down outside of the store under test.
//!
//! Each worker process appends to a file of its own, one line an event, each line one `write`: a
//! line that was written is there when the process is killed the next instant. An effect *is* its
//! line. The body writes it and only then returns, so no answer can come before its effect.

mod read;
mod write;

use serde::{Deserialize, Serialize};

#[cfg(feature = "rows")]
pub(crate) use self::read::answers_in;
pub(crate) use self::read::read;
pub(crate) use self::write::Ledger;
use crate::timestamp::Timestamp;

/// One worker process: its number says which file is its own.
pub type Process = u32;

/// The number of an effect: the process that made it, and its count there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct EffectId(pub u64);

impl EffectId {
    /// The `count`-th effect of a process.
    #[must_use]
    pub fn new(process: Process, count: u32) -> Self {
        Self(u64::from(process) << 32 | u64::from(count))
    }

    /// The process that made it.
    #[must_use]
    pub fn process(self) -> Process {
        Process::try_from(self.0 >> 32).unwrap_or(Process::MAX)
    }
}

/// A line of a ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// A body took effect.
    Effect(Effect),
    /// A caller got an answer.
    Answer(Answer),
    /// What the application did to its own pool.
    Disturbance(Disturbance),
    /// The handler of a message began.
    Began {
        /// The message.
        key: u32,
        /// When.
        at: Timestamp,
    },
    /// A broker was told what became of a delivery.
    Settled(Settled),
    /// From when to when the application held every connection of its pool.
    PoolHeld(Timestamp, Timestamp),
    /// What a process held before the load and after it.
    ResourceUsage {
        /// Before the load.
        before: ResourceUsage,
        /// After it.
        after: ResourceUsage,
    },
}

/// A body that took effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    /// Which.
    pub id: EffectId,
    /// For which key.
    pub key: u32,
    /// When its body began.
    pub began: Timestamp,
    /// When it took effect.
    pub at: Timestamp,
}

/// What a caller got.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// When it came.
    pub at: Timestamp,
    /// For which key.
    pub key: u32,
    /// In which part of the run.
    pub during: Phase,
    /// What it was.
    pub said: Said,
}

/// A part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The load, with the faults.
    Load,
    /// After the faults ended and the leases with them: every key is asked for.
    Probe,
    /// After what was indeterminate has been resolved.
    Resolved,
}

/// The kinds of answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Said {
    /// This call ran the body, and this is the effect.
    Executed(EffectId),
    /// The body ran before, with this effect.
    Replayed(EffectId),
    /// The body declined before any effect.
    Declined,
    /// The call was refused, with this code.
    Refused(String),
}

/// What a broker was told of a delivery.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settled {
    /// When it had been told.
    pub at: Timestamp,
    /// Which message.
    pub key: u32,
    /// What became of the delivery, as metrics have it.
    pub outcome: String,
    /// The effect, if this delivery had it and its result is recorded.
    pub effect: Option<EffectId>,
    /// Whether the broker has confirmed it.
    pub confirmed: bool,
}

/// What an application did to its own pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disturbance {
    /// Transactions that were dropped half way.
    pub cancelled: u64,
    /// How often a connection was then found in a transaction that nobody knew of.
    pub left_open: u64,
    /// Connections that were held.
    pub held: u64,
}

impl Disturbance {
    /// Counts another with it.
    pub fn add(&mut self, other: Self) {
        self.cancelled += other.cancelled;
        self.left_open += other.left_open;
        self.held += other.held;
    }
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceUsage {
    /// Tasks of its runtime.
    pub tasks: usize,
    /// Resident memory, in bytes.
    pub memory: u64,
}
