//! [`Path`]: where in a value, in the notation of Rust: `items[2].price`.

use std::fmt::{self, Write};

/// The steps from a value to a part of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Path(pub(super) Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// A field, a variant, or the key of a map.
    Name(String),
    Index(usize),
}

/// Deeper steps are not shown.
const SHOWN: usize = 12;

impl Step {
    /// The step to the value of a key. Keys of maps may be somebody's data, so only what could be the
    /// name of a field is shown.
    pub(super) fn of_key(key: &[u8]) -> Self {
        let is_name = key.len() <= 64
            && key.first().is_some_and(|byte| byte.is_ascii_alphabetic() || *byte == b'_')
            && key.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
        let name =
            if is_name { String::from_utf8_lossy(key).into_owned() } else { "…".to_owned() };
        Self::Name(name)
    }
}

impl Path {
    pub(super) fn push(&mut self, step: Step) {
        self.0.push(step);
    }

    pub(super) fn pop(&mut self) {
        self.0.pop();
    }

    pub(super) fn parent(&self) -> &[Step] {
        self.0.split_last().map_or(&[], |(_, parent)| parent)
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, step) in self.0.iter().take(SHOWN).enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Name(name) if name == "…" => f.write_str("[…]")?,
                Step::Name(name) => {
                    if at > 0 {
                        f.write_char('.')?;
                    }
                    f.write_str(name)?;
                }
            }
        }
        if self.0.len() > SHOWN { f.write_str(".…") } else { Ok(()) }
    }
}
