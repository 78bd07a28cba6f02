//! [`Journal`]: the recorded steps of one call.

use std::fmt;

/// What a journal knows of the at-most-once step.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum Once {
    /// Nothing.
    #[default]
    Unknown,
    /// An attempt began, and did not happen.
    Tried(Nonce),
    /// An attempt has begun, and nobody said how it ended.
    Begun(Nonce),
    /// Its result.
    Recorded,
}

/// An attempt at the at-most-once step: the run, and which of its attempts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Nonce {
    /// The run that began.
    pub run: u8,
    /// Whether it is the run's second attempt.
    pub second: bool,
}

/// The recorded steps of one call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Journal {
    /// Whether there is one. One without entries is not the same as none: the last *begun* of a journal
    /// may have been taken back.
    pub exists: bool,
    /// Whether `a` is recorded.
    pub a: bool,
    /// What is known of `m`.
    pub m: Once,
    /// Whether `z` is recorded.
    pub z: bool,
    /// Whether something was recorded by a run with the first and with the second payload.
    pub payloads: [bool; 2],
}

impl fmt::Display for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.exists {
            return f.write_str("{}");
        }
        let m = match self.m {
            Once::Unknown => String::new(),
            Once::Tried(nonce) => format!("m tried by {nonce}"),
            Once::Begun(nonce) => format!("m begun by {nonce}"),
            Once::Recorded => "m".to_owned(),
        };
        let entries = [if self.a { "a" } else { "" }, m.as_str(), if self.z { "z" } else { "" }];
        let entries: Vec<&str> = entries.into_iter().filter(|entry| !entry.is_empty()).collect();
        write!(f, "{{{}}}", if entries.is_empty() { "-".to_owned() } else { entries.join(", ") })
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.run, if self.second { "'" } else { "" })
    }
}
