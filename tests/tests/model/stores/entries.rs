//! Entries of steps as a journal keeps them: a status, an attempt, and nothing else.

use idempotent_core::model::{StepEntry, StepStatus, Token};

/// The first layout, up to the texts.
const HEADER: usize = 69;

/// An entry of this status. Which byte says so is the crate's own affair, so it is looked for.
pub(crate) fn entry(status: StepStatus, attempt: Token) -> StepEntry {
    let with_code = |code: u8| {
        let mut bytes = [0; HEADER];
        bytes[..2].copy_from_slice(&[1, code]);
        bytes[3..19].copy_from_slice(attempt.as_bytes());
        StepEntry::from_bytes(&bytes).ok()
    };
    let entry = (0..=u8::MAX).filter_map(with_code).find(|entry| entry.status() == status);
    entry.unwrap_or_else(|| panic!("no entry is {status:?}"))
}
