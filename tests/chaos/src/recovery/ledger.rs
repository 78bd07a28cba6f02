//! The effects of steps, written down outside of the store under test: one line each, one write a line.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, Result};

/// An effect of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) order: u32,
    pub(super) step: u32,
    /// What a provider would deduplicate by.
    pub(super) key: String,
    pub(super) process: u32,
}

/// What stands in the place of a step where a body starts.
const STARTED: &str = "started";

const PREFIX: &str = "effects-";

/// The file of one process.
#[derive(Debug)]
pub(super) struct Effects {
    process: u32,
    file: File,
}

impl Effects {
    pub(super) fn open(folder: &Path, process: u32) -> io::Result<Self> {
        let path = folder.join(format!("{PREFIX}{process}"));
        let file = OpenOptions::new().append(true).create_new(true).open(path)?;
        Ok(Self { process, file })
    }

    /// Makes an effect. It has happened when this returns, whatever becomes of the process.
    pub(super) fn take(&self, order: u32, step: u32, key: &str) {
        self.write(&format!("{order} {step} {key} {}\n", self.process));
    }

    /// Notes that a body of a call has started, and so that the call has a record.
    pub(super) fn start(&self, order: u32) {
        self.write(&format!("{order} {STARTED}\n"));
    }

    fn write(&self, line: &str) {
        // Effects with gaps prove nothing, so the process ends, and the run with it.
        if (&self.file).write(line.as_bytes()).ok() != Some(line.len()) {
            eprintln!("the effects cannot be written");
            std::process::exit(74);
        }
    }
}

/// All effects of all processes.
pub(super) fn read(folder: &Path) -> Result<Vec<Effect>> {
    let lines = lines(folder)?;
    let effects = lines.iter().filter(|line| !line.ends_with(STARTED));
    effects.map(|line| parse(line).with_context(|| format!("an effect: {line}"))).collect()
}

/// The calls of which a body has started in any process.
pub(super) fn started(folder: &Path) -> Result<BTreeSet<u32>> {
    let started = |line: &String| line.strip_suffix(STARTED)?.trim_end().parse().ok();
    Ok(lines(folder)?.iter().filter_map(started).collect())
}

fn lines(folder: &Path) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if !file.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        lines.extend(fs::read_to_string(file.path())?.lines().map(str::to_owned));
    }
    Ok(lines)
}

fn parse(line: &str) -> Option<Effect> {
    let mut words = line.split(' ');
    let order = words.next()?.parse().ok()?;
    let step = words.next()?.parse().ok()?;
    let key = words.next()?.to_owned();
    Some(Effect { order, step, key, process: words.next()?.parse().ok()? })
}
