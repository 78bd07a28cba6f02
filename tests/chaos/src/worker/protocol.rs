//! What a worker is told, and what it says back: one line of JSON each.

use std::io::{self, Write as _};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Load;
use crate::ledger::Process;
use crate::row::WorkerFault;

/// An instruction to a worker.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Instruction {
    /// Run operations.
    Load(Load),
    /// Let the application do this to its own pool.
    Disturb {
        /// What.
        fault: WorkerFault,
        /// For how long.
        lasts: Duration,
        /// Where its draws begin.
        seed: u64,
    },
    /// Begin no more operations, and end those that run.
    Stop,
    /// Ask for every key.
    Probe,
    /// Resolve the keys that were indeterminate, by what these processes wrote down.
    Resolve {
        /// Processes 0 to this, without it.
        processes: Process,
    },
    /// Ask again for the keys that were indeterminate.
    ProbeAgain,
    /// Write down what is left behind, and end.
    Quit,
}

/// What a worker says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// It is connected and warm.
    Ready,
    /// Its load is done, all of it.
    Done,
    /// Nothing of its load runs any more.
    Stopped,
    /// It asked for every key it was told to.
    Probed,
    /// It resolved what was indeterminate.
    Resolved,
}

impl Report {
    /// Says it.
    pub(super) fn send(self) -> io::Result<()> {
        let mut line = serde_json::to_vec(&self)?;
        line.push(b'\n');
        let mut out = io::stdout().lock();
        out.write_all(&line)?;
        out.flush()
    }
}
