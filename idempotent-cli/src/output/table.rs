//! Records as lines. A list is printed while it is read, so the columns have the same widths from the first line on.

use std::borrow::Cow;
use std::time::SystemTime;

use idempotent_core::engine::Inspection;
use idempotent_core::store::Unreadable;

use super::text::{age, clean, clipped, lasting};
use super::writer::{Output, Style};
use crate::args::StateName;
use crate::failure::Failure;

/// Below this width a record has two lines.
const NARROW: usize = 72;

/// So many hex digits of an id are shown where there is no room for all.
const DIGITS: usize = 12;

/// What columns before those of texts need: the state, the age, the time that is left, and the gaps.
const FIXED: usize = 13 + 2 + 4 + 2 + 4 + 2;

/// Records as lines.
pub(crate) struct RecordTable {
    layout: Layout,
}

#[derive(Clone, Copy)]
enum Layout {
    /// Nothing is cut.
    Wide,
    /// One line for each, with these widths for operation, key and scope.
    Columns(usize, usize, usize),
    /// Two lines for each, of at most so many columns.
    Narrow(usize),
}

impl RecordTable {
    pub(crate) fn new(output: &Output) -> Self {
        let layout = match output.width() {
            None => Layout::Wide,
            Some(width) if width < NARROW => Layout::Narrow(width),
            Some(width) => {
                // Operation, key and scope share what is left as 14, 13 and 8 of 80 columns do.
                let left = width - FIXED - DIGITS - 6;
                let operation = left * 14 / 35;
                let scope = left * 8 / 35;
                Layout::Columns(operation, left - operation - scope, scope)
            }
        };
        Self { layout }
    }

    /// How many lines each record has, and the header.
    pub(crate) const fn lines_of_a_record(&self) -> usize {
        if matches!(self.layout, Layout::Narrow(_)) { 2 } else { 1 }
    }

    pub(crate) fn header(&self, output: &mut Output) -> Result<(), Failure> {
        let line = match self.layout {
            Layout::Wide => "STATE          AGE   LEFT  OPERATION  KEY  SCOPE  ID".to_owned(),
            Layout::Columns(operation, key, scope) => format!(
                "{:13}  {:>4}  {:>4}  {:operation$}  {:key$}  {:scope$}  ID",
                "STATE", "AGE", "LEFT", "OPERATION", "KEY", "SCOPE"
            ),
            Layout::Narrow(width) => {
                output.line(output.styled(
                    Style::Bold,
                    clipped("STATE           AGE  LEFT  ID", width).trim_end(),
                ))?;
                "  OPERATION  KEY  SCOPE".to_owned()
            }
        };
        output.line(output.styled(Style::Bold, line))
    }

    pub(crate) fn record(
        &self,
        output: &mut Output,
        seen: &Inspection,
        now: SystemTime,
    ) -> Result<(), Failure> {
        let state = StateName::of(seen.state());
        let name = state.map_or("unknown", StateName::as_str);
        let style = match state {
            Some(StateName::Indeterminate) => Style::Red,
            Some(StateName::Suspended | StateName::Lapsed) => Style::Yellow,
            Some(StateName::Completed) => Style::Green,
            _ => Style::Plain,
        };
        let state = output.styled(style, format_args!("{name:13}"));
        let old = lasting(age(seen.created(), now));
        let left = seen.remaining().map_or_else(|| "-".to_owned(), lasting);
        let operation = clean(seen.operation());
        let key = seen.key().map_or(Cow::Borrowed("-"), clean);
        let scope = seen.scope().map_or(Cow::Borrowed("-"), clean);
        let id = seen.id();
        let digits = || {
            let id = id.to_string();
            id.rsplit_once(':').map_or_else(String::new, |(_, hash)| hash[..DIGITS].to_owned())
        };
        match self.layout {
            Layout::Wide => output.line(format_args!(
                "{state}  {old:>4}  {left:>4}  {operation}  {key}  {scope}  {id}"
            )),
            Layout::Columns(wide, key_width, scope_width) => output.line(format_args!(
                "{state}  {old:>4}  {left:>4}  {}  {}  {}  {}",
                clipped(&operation, wide),
                clipped(&key, key_width),
                clipped(&scope, scope_width),
                digits(),
            )),
            Layout::Narrow(width) => {
                output.line(format_args!("{state}  {old:>4}  {left:>4}  {}", digits()))?;
                let texts = format!("  {operation}  {key}  {scope}");
                output.line(clipped(&texts, width).trim_end())
            }
        }
    }

    pub(crate) fn unreadable(
        &self,
        output: &mut Output,
        found: &Unreadable,
    ) -> Result<(), Failure> {
        let state = output.styled(Style::Red, "unreadable   ");
        output.line(format_args!("{state}  {}: {}", clean(&found.key), clean(&found.reason)))
    }
}
