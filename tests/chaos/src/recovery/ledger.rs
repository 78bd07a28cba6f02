//! What a run has seen, written down outside of the store under test: one line each, one write a line.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// One execution of a call's body, of any call: the process, and which of its executions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Run {
    pub(super) process: u32,
    pub(super) number: u32,
}

/// Something that happened to a call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Event {
    /// A caller asks for the call, or a recovery has taken it.
    Asked,
    /// A body of the call starts.
    Started,
    /// The body asks for a step.
    Wanted { step: u32 },
    /// The body of a step starts.
    Entered { step: u32 },
    /// A step takes effect, with the key that a provider would deduplicate by.
    Effect { step: u32, key: String },
    /// A step has answered its result, and so is recorded.
    Recorded { step: u32 },
    /// A body of the call has ended in this error; of one that succeeded the code is `ok`, and of one that was dropped `dropped`.
    Ended { code: String, why: String },
    /// Somebody was told the result of the call.
    Answered { result: u64 },
    /// The judge says what became of a step in doubt.
    Resolved,
}

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    pub(super) order: u32,
    pub(super) run: Run,
    pub(super) event: Event,
}

const PREFIX: &str = "ledger-";

/// The file of one process.
#[derive(Debug)]
pub(super) struct Ledger {
    process: u32,
    runs: AtomicU32,
    file: File,
}

impl Ledger {
    pub(super) fn open(folder: &Path, process: u32) -> io::Result<Self> {
        let path = folder.join(format!("{PREFIX}{process}"));
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        // The first number is that of what is no run.
        Ok(Self { process, runs: AtomicU32::new(1), file })
    }

    /// A number for a body that starts.
    pub(super) fn next_run(&self) -> Run {
        Run { process: self.process, number: self.runs.fetch_add(1, Ordering::Relaxed) }
    }

    /// Writes of a run. What is written has happened when this returns, whatever becomes of the process.
    pub(super) fn write(&self, order: u32, run: Run, event: Event) {
        let entry = Entry { at: Timestamp::now(), order, run, event };
        let mut line = serde_json::to_vec(&entry).unwrap_or_default();
        line.push(b'\n');
        // A ledger with gaps proves nothing, so the process ends, and the run with it.
        if (&self.file).write(&line).ok() != Some(line.len()) {
            eprintln!("the ledger cannot be written");
            std::process::exit(74);
        }
    }

    /// Writes what is not of a run.
    pub(super) fn note(&self, order: u32, event: Event) {
        self.write(order, Run { process: self.process, number: 0 }, event);
    }
}

/// All that all processes have written, in the order in which it happened.
pub(super) fn read(folder: &Path) -> Result<Vec<Entry>> {
    let mut entries = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if !file.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        let text = fs::read_to_string(file.path())?;
        // Of a line that is being written, the rest comes later.
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for line in whole.lines() {
            entries.push(serde_json::from_str(line).with_context(|| format!("the line {line}"))?);
        }
    }
    entries.sort_by_key(|entry: &Entry| entry.at);
    Ok(entries)
}

impl Entry {
    /// Whether it is an effect of this step.
    pub(super) fn is_effect_of(&self, wanted: u32) -> bool {
        matches!(self.event, Event::Effect { step, .. } if step == wanted)
    }
}
