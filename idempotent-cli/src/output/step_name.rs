//! What a step is called: in documents, and as somebody types it.

use std::fmt;

use idempotent_core::model::{StepEntry, StepId};
use serde::Serialize;

use super::document::hex;

/// So many hex digits of a step's id are enough, if no other step of its call has them.
const FEWEST_DIGITS: usize = 8;

/// Which step a change is about.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StepReference {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) key: Option<String>,
}

impl StepReference {
    pub(crate) fn new(id: &StepId, entry: &StepEntry) -> Self {
        let key = entry.key().map(str::to_owned);
        Self { id: hex(id.as_bytes()), name: entry.name().to_owned(), key }
    }

    /// Its name, and its key in brackets if it has one: as errors, logs and records' last errors call it.
    pub(crate) fn label(&self) -> String {
        match &self.key {
            Some(key) => format!("{}[{key}]", self.name),
            None => self.name.clone(),
        }
    }

    /// Whether somebody who types this means it: its label, or the key behind a slash, which no shell expands.
    pub(crate) fn is_called(&self, typed: &str) -> bool {
        let by_slash = |key: &String| {
            typed.strip_prefix(&*self.name).and_then(|rest| rest.strip_prefix('/')) == Some(key)
        };
        self.label() == typed || self.key.as_ref().is_some_and(by_slash)
    }

    /// Whether its id begins so.
    pub(crate) fn has_digits(&self, digits: &str) -> bool {
        digits.len() >= FEWEST_DIGITS && self.id.starts_with(&digits.to_ascii_lowercase())
    }
}

/// A step among those of its call, as a shell takes it: by its name and key, or by its id where these are not enough.
pub(crate) struct StepName(String);

impl StepName {
    pub(crate) fn new(id: &StepId, entry: &StepEntry, all: &[(StepId, StepEntry)]) -> Self {
        let step = StepReference::new(id, entry);
        let label = step.label();
        let is_same =
            |(id, entry): &&(StepId, StepEntry)| StepReference::new(id, entry).label() == label;
        let is_alone = all.iter().filter(is_same).count() == 1;
        let can_be_typed = !label.chars().any(char::is_control);
        Self(if is_alone && can_be_typed { quoted(&label) } else { step.id })
    }
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let is_plain =
        |character: char| character.is_ascii_alphanumeric() || "_./:-".contains(character);
    if !text.is_empty() && text.chars().all(is_plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_shell_reads_a_name_as_it_is() {
        for (text, word) in [
            ("charge", "charge"),
            ("shop::ship/7", "shop::ship/7"),
            ("charge/order 7", "'charge/order 7'"),
            ("it's", r"'it'\''s'"),
            ("$HOME", "'$HOME'"),
            ("", "''"),
        ] {
            assert_eq!(quoted(text), word);
        }
    }
}
