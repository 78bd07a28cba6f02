//! [`StepChange`]: a step that is written to the journal of its call.

use super::look::LONGEST_RECORD;
use crate::backends::postgres::entry::lapse_code;
use crate::backends::postgres::replaced::mode;
use crate::backends::shared::durations::ceil_micros;
use crate::backends::shared::notify::Hash;
use crate::model::{Record, StepEntry, StepId, Token};
use crate::store::WriteStep;

/// A step that is written to the journal of its call.
pub(super) struct StepChange {
    /// The hash of the call's id.
    pub(super) id: Hash,
    /// The reservation with the journal.
    pub(super) record: Record,
    pub(super) journal: Token,
    pub(super) step: StepId,
    pub(super) entry: StepEntry,
    /// What may stand there, as a number of the schema's function.
    pub(super) mode: i16,
    pub(super) replaced: Option<StepEntry>,
    pub(super) begins: bool,
    pub(super) also: Vec<(StepId, StepEntry)>,
}

impl StepChange {
    /// `None` if others would have to wait for its bytes, or its record has no journal.
    pub(super) fn new(request: &WriteStep<'_>) -> Option<Self> {
        let (mode, replaced) = mode(request.replaces);
        let change = Self {
            id: *request.id.hash(),
            record: request.record.clone(),
            journal: request.record.journal()?,
            step: *request.step,
            entry: request.entry.clone(),
            mode,
            replaced: replaced.cloned(),
            begins: request.begins,
            also: request.also.to_vec(),
        };
        (change.bytes() <= LONGEST_RECORD as usize).then_some(change)
    }

    /// About how many bytes it sends.
    pub(super) fn bytes(&self) -> usize {
        let also =
            self.also.iter().map(|(step, entry)| step.as_bytes().len() + entry.as_bytes().len());
        let replaced = self.replaced.as_ref().map_or(0, |entry| entry.as_bytes().len());
        self.record.as_bytes().len() + self.entry.as_bytes().len() + replaced + also.sum::<usize>()
    }

    pub(super) fn guarantee(&self) -> i16 {
        lapse_code(&self.record)
    }

    pub(super) fn retention(&self) -> i64 {
        ceil_micros(self.record.retention())
    }
}
