//! The effects of steps, written down outside of the store under test: one line each, one write a line.

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
        let line = format!("{order} {step} {key} {}\n", self.process);
        // Effects with gaps prove nothing, so the process ends, and the run with it.
        if (&self.file).write(line.as_bytes()).ok() != Some(line.len()) {
            eprintln!("the effects cannot be written");
            std::process::exit(74);
        }
    }
}

/// All effects of all processes.
pub(super) fn read(folder: &Path) -> Result<Vec<Effect>> {
    let mut effects = Vec::new();
    for file in fs::read_dir(folder)? {
        let file = file?;
        if !file.file_name().to_string_lossy().starts_with(PREFIX) {
            continue;
        }
        for line in fs::read_to_string(file.path())?.lines() {
            effects.push(parse(line).with_context(|| format!("an effect: {line}"))?);
        }
    }
    Ok(effects)
}

fn parse(line: &str) -> Option<Effect> {
    let mut words = line.split(' ');
    let order = words.next()?.parse().ok()?;
    let step = words.next()?.parse().ok()?;
    let key = words.next()?.to_owned();
    Some(Effect { order, step, key, process: words.next()?.parse().ok()? })
}
