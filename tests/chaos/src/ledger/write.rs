//! Writing a ledger.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Effect, EffectId, Event, Process};
use crate::timestamp::Timestamp;

/// The ledger of one process.
#[derive(Debug)]
pub(crate) struct Ledger {
    process: Process,
    file: File,
    effects: AtomicU32,
}

impl Ledger {
    /// Opens the file of this process, which is new.
    pub(crate) fn open(folder: &Path, process: Process) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create_new(true).open(path(folder, process))?;
        Ok(Self { process, file, effects: AtomicU32::new(0) })
    }

    /// The process whose ledger it is.
    #[cfg(feature = "rows")]
    pub(crate) fn process(&self) -> Process {
        self.process
    }

    /// Makes an effect. It has happened when this returns, whatever becomes of the process.
    pub(crate) fn take_effect(&self, key: u32, began: Timestamp) -> io::Result<EffectId> {
        let id = self.next_effect();
        self.write(&Event::Effect(Effect { id, key, began, at: Timestamp::now() }))?;
        Ok(id)
    }

    /// A number for an effect that is written down elsewhere.
    pub(crate) fn next_effect(&self) -> EffectId {
        EffectId::new(self.process, self.effects.fetch_add(1, Ordering::Relaxed))
    }

    /// Appends a line.
    pub(crate) fn write(&self, event: &Event) -> io::Result<()> {
        let mut line = serde_json::to_vec(event)?;
        line.push(b'\n');
        // One call, so that a line is there or is not: the system appends under the file's lock, and
        // what it took stays when the process dies.
        let written = (&self.file).write(&line)?;
        if written < line.len() {
            return Err(io::Error::new(io::ErrorKind::WriteZero, "a line was cut in two"));
        }
        Ok(())
    }
}

pub(super) fn path(folder: &Path, process: Process) -> PathBuf {
    folder.join(format!("ledger-{process}"))
}
