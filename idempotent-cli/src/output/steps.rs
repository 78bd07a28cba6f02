//! The journal of a call: its steps in the order in which they were written.

use idempotent_core::engine::Inspection;
use idempotent_core::model::{StepEntry, StepId, StepStatus};
use serde::Serialize;

use super::card::fact;
use super::document::{hex, seconds, tombstone};
use super::step_name::StepName;
use super::text::{clean, clipped, lasting, timestamp};
use super::writer::{Output, Style};
use crate::failure::Failure;

/// The journal of a call, and when it is resumed.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct JournalDocument {
    /// How often it was resumed since it last recorded a step.
    pub(crate) attempts: u32,
    /// In how long a recovery resumes it; null if none does.
    pub(crate) due_seconds: Option<f64>,
    pub(crate) steps: Vec<StepDocument>,
    /// Why they could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unread: Option<String>,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepDocument {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) key: Option<String>,
    pub(crate) status: &'static str,
    /// Whether that is what somebody said of it, who was not its owner.
    pub(crate) resolved: bool,
    /// Why a step that has run has no result.
    pub(crate) tombstone: Option<&'static str>,
    pub(crate) written: String,
    pub(crate) took_seconds: f64,
    pub(crate) version: u32,
    /// The step that it is a part of; null if it is one of the call itself.
    pub(crate) part_of: Option<String>,
}

impl JournalDocument {
    /// That of a call, if it has one or can be resumed.
    pub(super) fn new(seen: &Inspection) -> Option<Self> {
        let unread = seen.steps_unread().filter(|_| seen.has_journal());
        let is_empty = seen.steps().is_empty() && unread.is_none();
        if is_empty && seen.attempts() == 0 && seen.due_in().is_none() {
            return None;
        }
        let all = seen.steps();
        let steps = all.iter().map(|(id, entry)| StepDocument::new(id, entry, all)).collect();
        let due_seconds = seen.due_in().map(seconds);
        let unread = unread.map(str::to_owned);
        Some(Self { attempts: seen.attempts(), due_seconds, steps, unread })
    }
}

impl StepDocument {
    fn new(id: &StepId, entry: &StepEntry, all: &[(StepId, StepEntry)]) -> Self {
        let (status, tombstone) = match entry.status() {
            StepStatus::Begun => ("begun", None),
            StepStatus::Tried => ("tried", None),
            StepStatus::Recorded => ("recorded", None),
            StepStatus::NotKept(why) => ("not_kept", Some(tombstone(why))),
            _ => ("unknown", None),
        };
        let parent = entry.part_of();
        let is_step = all.iter().any(|(id, _)| *id == parent);
        Self {
            id: hex(id.as_bytes()),
            name: entry.name().to_owned(),
            key: entry.key().map(str::to_owned),
            status,
            resolved: entry.is_resolved(),
            tombstone,
            written: timestamp(entry.written()),
            took_seconds: seconds(entry.took()),
            version: entry.version(),
            part_of: is_step.then(|| hex(parent.as_bytes())),
        }
    }
}

/// Prints a journal: a line a step, those of a step below it.
pub(super) fn journal_lines(output: &mut Output, journal: &JournalDocument) -> Result<(), Failure> {
    if journal.attempts > 0 {
        fact(output, "attempts", &format!("{} since a step was last recorded", journal.attempts))?;
    }
    if let Some(due) = journal.due_seconds {
        let due = lasting(std::time::Duration::from_secs_f64(due));
        fact(output, "resumed", &format!("by a recovery, in {due} at the earliest"))?;
    }
    let count = journal.steps.len().to_string();
    fact(output, "steps", &journal.unread.as_deref().map_or(count, |why| clean(why).into_owned()))?;
    let width = output.width().unwrap_or(usize::MAX);
    for step in &journal.steps {
        let style = match step.status {
            "recorded" => Style::Green,
            "begun" => Style::Red,
            _ => Style::Yellow,
        };
        let status = step
            .tombstone
            .map_or_else(|| step.status.to_owned(), |why| format!("{} ({why})", step.status));
        let key = step.key.as_deref().map_or_else(String::new, |key| format!(" {}", clean(key)));
        let took = std::time::Duration::from_secs_f64(step.took_seconds);
        let took = humantime::format_duration(std::time::Duration::from_millis(
            u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        ));
        let indent = if step.part_of.is_some() { "    " } else { "  " };
        let rest = format!("{}{key}, took {took}", clean(&step.name));
        let room = width.saturating_sub(indent.len() + 10 + 2).max(10);
        let rest = if rest.chars().count() > room { clipped(&rest, room) } else { rest };
        output.line(format_args!(
            "{indent}{}  {rest}",
            output.styled(style, format_args!("{status:10}"))
        ))?;
    }
    Ok(())
}

/// Prints of a call that recovery has given up what to type once the cause is mended.
pub(super) fn parked_lines(output: &mut Output, seen: &Inspection) -> Result<(), Failure> {
    fact(output, "parked", "mend what the last error says, and have the call go on:")?;
    output.line("  idempotent resume \\")?;
    output.line(format_args!("    {}", seen.id()))
}

/// Prints of a call in doubt what to type once somebody knows what it did.
pub(super) fn indeterminate_lines(output: &mut Output, seen: &Inspection) -> Result<(), Failure> {
    fact(output, "in doubt", "find out what the call did, and say so:")?;
    for said in ["--happened 'JSON'", "--never-happened-and-owner-is-dead"] {
        output.line("  idempotent resolve \\")?;
        output.line(format_args!("    {} \\", seen.id()))?;
        output.line(format_args!("    {said}"))?;
    }
    Ok(())
}

/// Prints of each step in doubt what to type once somebody knows what it did.
pub(super) fn in_doubt_lines(output: &mut Output, seen: &Inspection) -> Result<(), Failure> {
    let all = seen.steps();
    for (step, entry) in seen.steps_in_doubt() {
        let name = StepName::new(step, entry, all);
        let returns = entry
            .result_types()
            .map_or_else(String::new, |types| format!(" It returns a {}.", clean(types.ok)));
        let text = format!("find out what step {name} did, and say so.{returns}");
        fact(output, "in doubt", &text)?;
        for said in ["--happened 'JSON'", "--never-happened"] {
            output.line("  idempotent resolve-step \\")?;
            output.line(format_args!("    {} \\", seen.id()))?;
            output.line(format_args!("    --step {name} \\"))?;
            output.line(format_args!("    {said}"))?;
        }
    }
    Ok(())
}
