//! [`StepId`]: a step's identity within its call.

use std::fmt;

use crate::model::key::{InlineBytes, KeyParts};
use crate::model::record::{DerivedKey, RecordId};

/// Comes first in the hashed form. The forms of record ids and scopes begin otherwise.
const DOMAIN: &[u8] = b"\0step1";

/// The identity of a step: a BLAKE3 hash of the call or step that it is a part of, its name and its key.
///
/// ```
/// use idempotent_core::model::{RecordId, StepId};
///
/// let call = StepId::of_call(&RecordId::of("shop::checkout", None, &7)?);
/// assert_eq!(call.step("charge", None), call.step("charge", None));
/// assert_ne!(call.step("charge", None), call.step("ship", None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId([u8; 32]);

impl StepId {
    /// What a call's own steps are a part of.
    #[must_use]
    pub const fn of_call(id: &RecordId) -> Self {
        Self(*id.hash())
    }

    /// The step of this name and key that is a part of this one.
    #[must_use]
    pub fn step(&self, name: &str, key: Option<&KeyParts>) -> Self {
        let mut input = InlineBytes::<128>::new();
        input.extend(DOMAIN);
        input.extend(&self.0);
        input.push_prefixed(name.as_bytes());
        if let Some(key) = key {
            input.extend(key.encoded());
        }
        Self(blake3::hash(input.as_slice()).into())
    }

    /// The key that this step sends to the system called `label`: what
    /// [`CurrentCall::derive`](crate::engine::CurrentCall::derive) returns inside the step.
    #[must_use]
    pub fn derive(&self, label: &str) -> DerivedKey {
        DerivedKey::of(&self.0, None, label)
    }

    /// The key that [`CurrentCall::derive_next`](crate::engine::CurrentCall::derive_next) returns inside this step
    /// for the nth request to `label`, counting from 0.
    #[must_use]
    pub fn derive_nth(&self, label: &str, nth: u32) -> DerivedKey {
        DerivedKey::of(&self.0, Some(nth), label)
    }

    /// Makes an id from its bytes, as a store has kept them.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The id's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for StepId {
    /// All of it, in hex digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for StepId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StepId(")?;
        for byte in &self.0[..8] {
            write!(f, "{byte:02x}")?;
        }
        f.write_str("…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call() -> StepId {
        StepId::of_call(&RecordId::of("shop::checkout", None, &7).unwrap())
    }

    /// A call that crashed under one version resumes under the next.
    #[test]
    fn the_identity_of_a_step_is_the_same_in_every_version() {
        let key = KeyParts::of(&("line:", 3)).unwrap();
        let step = call().step("ship", Some(&key));
        let text = step.to_string();
        assert_eq!((text.len(), &text[..16]), (64, "9e99ddfe971e9d2d"));
    }

    #[test]
    fn names_keys_and_scopes_do_not_run_together() {
        let key = |text: &str| KeyParts::of(text).unwrap();
        let ids = [
            call(),
            call().step("a", None),
            call().step("ab", None),
            call().step("a", Some(&key("b"))),
            call().step("a", Some(&key("bc"))),
            call().step("a", Some(&KeyParts::of(&("b", "c")).unwrap())),
            call().step("a", None).step("b", None),
            call().step("b", None).step("a", None),
        ];
        for (i, left) in ids.iter().enumerate() {
            assert!(ids[i + 1..].iter().all(|right| left != right), "{i}");
        }
    }
}
