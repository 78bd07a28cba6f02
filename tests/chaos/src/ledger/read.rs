//! Reading ledgers, also those of processes that were killed.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::write::path;
use super::{Event, Process};

/// All events of one process, in order. No ledger is no events: the process died before it began.
///
/// A last line without its end was cut by a kill, so it never happened.
pub(crate) fn read(folder: &Path, process: Process) -> Result<Vec<Event>> {
    let path = path(folder, process);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole
        .lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("{}: {line}", path.display()))
        })
        .collect()
}

/// How many operations of the load a process has answers to.
#[cfg(feature = "rows")]
pub(crate) fn answers_in(folder: &Path, process: Process) -> Result<u64> {
    let events = read(folder, process)?;
    let answers = events.iter().filter(
        |event| matches!(event, Event::Answer(answer) if answer.during == super::Phase::Load),
    );
    Ok(answers.count() as u64)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::super::{EffectId, Ledger};
    use super::*;
    use crate::timestamp::Timestamp;

    #[test]
    fn a_line_that_a_kill_cut_in_two_never_happened() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::open(folder.path(), 3).unwrap();
        let first = ledger.take_effect(7, Timestamp(1)).unwrap();
        fs::OpenOptions::new()
            .append(true)
            .open(path(folder.path(), 3))
            .unwrap()
            .write_all(br#"{"effect":{"id":12,"ke"#)
            .unwrap();

        let events = read(folder.path(), 3).unwrap();

        assert!(matches!(&events[..], [Event::Effect(effect)] if effect.id == first), "{events:?}");
    }

    #[test]
    fn a_process_without_a_ledger_did_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path(), 9).unwrap().is_empty());
    }

    #[test]
    fn the_number_of_an_effect_names_its_process() {
        assert_eq!(EffectId::new(41, 17).process(), 41);
        assert_ne!(EffectId::new(41, 17), EffectId::new(41, 18));
    }
}
