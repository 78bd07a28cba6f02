//! One record in full: a line a fact.

use idempotent_core::engine::Inspection;

use super::derived::derived_lines;
use super::document::{RecordDocument, ResultDocument};
use super::steps::{in_doubt_lines, indeterminate_lines, journal_lines, parked_lines};
use super::text::{clean, lasting};
use super::writer::{Output, Style};
use crate::args::StateName;
use crate::failure::Failure;

/// How wide the names of facts are.
const LABEL: usize = 11;

/// Prints a record. Facts that it does not have are left out.
pub(crate) fn card(
    output: &mut Output,
    seen: &Inspection,
    record: &RecordDocument,
) -> Result<(), Failure> {
    let age = lasting(std::time::Duration::from_secs_f64(record.age_seconds));
    let state = StateName::of(seen.state());
    let (ends, left) = match state {
        Some(StateName::Reserved) => ("lapses", ""),
        _ => ("expires", ", and then the key is free"),
    };
    let left = seen.remaining().map(|time| format!("in {}{left}", lasting(time)));
    let is_unfinished = state != Some(StateName::Completed);
    let owner = is_unfinished.then(|| owner(state, record.owner, record.resumed_by).to_owned());
    let state_text = match record.tombstone {
        Some(why) => format!("{}, without its result ({why})", record.state),
        None if record.resolved => format!("{}, resolved by hand", record.state),
        None if seen.is_parked() => format!("{}, parked by a recovery", record.state),
        None => record.state.to_owned(),
    };
    let types = record.result_types.as_ref().map(|types| match &types.err {
        Some(err) => format!("{} or {err}", types.ok),
        None => types.ok.clone(),
    });
    // A recovery reserves a call anew each time, and a record has no other beginning.
    let reserved = if seen.attempts() > 0 { "last try" } else { "reserved" };
    let facts = [
        ("id", Some(record.id.clone())),
        ("state", Some(state_text)),
        ("operation", Some(record.operation.clone())),
        ("key", record.key.clone()),
        ("scope", record.scope.clone()),
        (reserved, Some(format!("{} ({age} ago)", record.created))),
        (ends, left),
        ("lease", Some(lasting(seen.lease()))),
        ("guarantee", Some(record.guarantee.to_owned())),
        ("owner", owner),
        ("last error", record.last_error.clone()),
        ("result type", types),
        ("version", Some(record.version.to_string())),
        ("fingerprint", record.fingerprint.clone()),
        ("token", Some(record.token.clone())),
        ("trace", record.trace_parent.clone()),
        ("size", Some(format!("{} bytes", record.bytes))),
    ];
    for (name, value) in facts {
        if let Some(value) = value {
            fact(output, name, &clean(&value))?;
        }
    }
    derived_lines(output, &record.derived)?;
    if let Some(journal) = &record.journal {
        journal_lines(output, journal)?;
        if state != Some(StateName::Reserved) {
            in_doubt_lines(output, seen)?;
        }
    }
    if seen.is_parked() {
        parked_lines(output, seen)?;
    } else if state == Some(StateName::Indeterminate) && seen.steps_in_doubt().next().is_none() {
        indeterminate_lines(output, seen)?;
    }
    match &record.result {
        Some(result) => {
            result_lines(output, if result.is_error { "error" } else { "result" }, result)
        }
        None => Ok(()),
    }
}

/// Prints the result that a record is about to get.
pub(crate) fn new_result(output: &mut Output, result: &ResultDocument) -> Result<(), Failure> {
    result_lines(output, if result.is_error { "new error" } else { "new result" }, result)
}

/// Prints a text of several words, on several lines if it must.
pub(crate) fn paragraph(output: &mut Output, text: &str) -> Result<(), Failure> {
    let width = output.width().unwrap_or(usize::MAX);
    wrapped(text, width).iter().try_for_each(|line| output.line(line))
}

/// What is known of the owner. A record keeps what its owner said last, and one that died has said nothing since it began.
fn owner(
    state: Option<StateName>,
    said: &'static str,
    resumed_by: Option<&'static str>,
) -> &'static str {
    match (state, said, resumed_by) {
        (Some(StateName::Suspended), _, Some("recovery")) => {
            "none: suspended, until a recovery resumes it, or its next caller"
        }
        (Some(StateName::Suspended), ..) => "none: suspended, until its next caller resumes it",
        (_, "lapsed", _) => "never ended; its lease has lapsed",
        (_, said, _) => said,
    }
}

/// Prints a result: its JSON, indented.
fn result_lines(output: &mut Output, what: &str, result: &ResultDocument) -> Result<(), Failure> {
    fact(output, what, result.encoding)?;
    let text = serde_json::to_string_pretty(&result.value).unwrap_or_default();
    for line in text.lines() {
        output.line(format_args!("  {}", clean(line)))?;
    }
    Ok(())
}

/// Prints a fact. A text of several words has several lines if it must; a single word, as an id, stays whole, so that it
/// can be copied.
pub(super) fn fact(output: &mut Output, name: &str, value: &str) -> Result<(), Failure> {
    let width = output.width().map_or(usize::MAX, |width| width.saturating_sub(LABEL + 2).max(10));
    for (at, line) in wrapped(value, width).iter().enumerate() {
        let label = if at == 0 { name } else { "" };
        let label = output.styled(Style::Dim, format_args!("{label:LABEL$}"));
        output.line(format_args!("{label}  {line}"))?;
    }
    Ok(())
}

/// A text in lines of so many columns. A word that is longer has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_owner_of_a_call_that_nobody_runs_is_not_said_to_run() {
        let in_doubt = Some(StateName::Indeterminate);
        assert_eq!(owner(in_doubt, "lapsed", None), "never ended; its lease has lapsed");
        assert_eq!(owner(in_doubt, "abandoned", None), "abandoned");
        assert_eq!(owner(Some(StateName::Reserved), "running", None), "running");
        let suspended = Some(StateName::Suspended);
        let by_recovery = "none: suspended, until a recovery resumes it, or its next caller";
        assert_eq!(owner(suspended, "none", Some("recovery")), by_recovery);
        let by_caller = "none: suspended, until its next caller resumes it";
        assert_eq!(owner(suspended, "none", Some("next_caller")), by_caller);
    }
}
