//! What somebody says of a step who is not its owner: the entry of a step that was resolved, and what it may return.

use super::entry::StepEntry;
use super::layout::{FLAGS, TYPES_LENGTH, flag};
use super::status::{StepStatus, code};
use crate::model::record::ResultTypes;

impl StepEntry {
    /// Whether it is what somebody [said](crate::Idempotency::resolve_step) the step did, who was not its owner. Such an entry
    /// can be [corrected](crate::Idempotency::correct_step).
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.0[FLAGS] & flag::RESOLVED != 0
    }

    /// Whether the step has surely run, though its result was [not kept](StepStatus::NotKept). It stays so whatever somebody
    /// [says](crate::Idempotency::resolve_step) of it: such a step never runs again.
    #[must_use]
    pub fn has_run(&self) -> bool {
        self.0[FLAGS] & flag::HAS_RUN != 0
            || matches!(self.status(), StepStatus::NotKept(_))
            || (self.status() == StepStatus::Recorded && !self.is_resolved())
    }

    /// The names of the types that the step may return, as its own process named them: those of a step that is *at most
    /// once*, while it is [begun](StepStatus::Begun); of one whose result was [not kept](StepStatus::NotKept); and of one that
    /// was [resolved](Self::is_resolved). `None` for all others, and for entries that are older than this.
    #[must_use]
    pub fn result_types(&self) -> Option<ResultTypes<'_>> {
        let end = match (self.is_resolved(), self.status()) {
            (true, _) => self.result_at()?,
            (false, StepStatus::Begun | StepStatus::NotKept(_)) => self.0.len() - self.mac_len(),
            _ => return None,
        };
        let start = self.key_end() + if self.is_resolved() { TYPES_LENGTH } else { 0 };
        let text = std::str::from_utf8(self.0.get(start..end)?).ok()?;
        (!text.is_empty()).then(|| ResultTypes::read(text))
    }

    /// The same for a step of which somebody says that it did not happen after all. It has no MAC.
    pub(crate) fn taken_back(&self) -> Self {
        self.resolved(StepStatus::Tried, b"")
    }

    /// The same for a step of which somebody says that it had this result. It has no MAC.
    pub(crate) fn found_out(&self, result: &[u8]) -> Self {
        self.resolved(StepStatus::Recorded, result)
    }

    /// The same for a step whose result is not kept, with the names of what it may return. It has no MAC.
    pub(crate) fn returning(&self, types: Option<ResultTypes<'_>>) -> Self {
        let Some(types) = types.filter(|_| matches!(self.status(), StepStatus::NotKept(_))) else {
            return self.clone();
        };
        let mut bytes = self.0[..self.key_end()].to_vec();
        types.write(&mut bytes);
        Self(bytes.into())
    }

    fn resolved(&self, status: StepStatus, result: &[u8]) -> Self {
        let mut types = Vec::new();
        if let Some(known) = self.result_types() {
            known.write(&mut types);
        }
        let mut bytes = self.0[..self.key_end()].to_vec();
        bytes[1] = code(status);
        bytes[FLAGS] &= !flag::MAC;
        bytes[FLAGS] |= flag::RESOLVED;
        if matches!(self.status(), StepStatus::NotKept(_)) {
            bytes[FLAGS] |= flag::HAS_RUN;
        }
        bytes.extend_from_slice(&(types.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&types);
        bytes.extend_from_slice(result);
        Self(bytes.into())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::entry::StepHead;
    use super::super::layout::HEADER;
    use super::*;
    use crate::model::StepId;
    use crate::model::record::{Mac, MacKey, RecordId, Secret, Token};

    fn call() -> StepId {
        StepId::of_call(&RecordId::of("shop::checkout", None, &7).unwrap())
    }

    #[test]
    fn a_step_that_is_begun_names_what_it_returns_and_so_does_what_is_said_of_it() {
        let head = StepHead {
            part_of: call(),
            name: "charge",
            key: None,
            written: Duration::from_millis(1_790_000_000_000),
            attempt: Token::from_bytes([9; 16]),
            version: 0,
            fingerprint: None,
        };
        let types = ResultTypes::new("shop::Payment", Some("shop::Declined"));
        let mac = MacKey::derive(&Secret([1; 32]));
        let (journal, step) = (Token::from_bytes([5; 16]), call().step("charge", None));
        let begun = head.begun(Some(types)).sealed(journal, &step, &mac);
        let said = [begun.clone(), begun.taken_back(), begun.found_out(b"1")];
        let said = [said[0].clone(), said[1].clone(), said[2].clone(), said[2].found_out(b"22")];
        let found = said.map(|entry| {
            let sealed = if entry.has_mac() { entry } else { entry.sealed(journal, &step, &mac) };
            let read = StepEntry::from_bytes(sealed.as_bytes()).unwrap();
            assert_eq!(read.result_types(), Some(types));
            assert_eq!(read.verify(journal, &step, &mac), Mac::Authentic);
            (read.status(), read.is_resolved(), read.result().to_vec())
        });
        let expected = [
            (StepStatus::Begun, false, b"".to_vec()),
            (StepStatus::Tried, true, b"".to_vec()),
            (StepStatus::Recorded, true, b"1".to_vec()),
            (StepStatus::Recorded, true, b"22".to_vec()),
        ];
        assert_eq!(found, expected);
        let untyped = head.begun(None);
        assert_eq!((untyped.result_types(), untyped.taken_back().result_types()), (None, None));
        let cut = begun.taken_back();
        for length in HEADER..cut.as_bytes().len() {
            assert!(StepEntry::from_bytes(&cut.as_bytes()[..length]).is_err(), "{length}");
        }
    }
}
