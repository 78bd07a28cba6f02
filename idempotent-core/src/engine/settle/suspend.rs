//! How a run ends whose call has steps: what it has recorded stays, and the next run resumes it.

use super::held::HeldReservation;
use super::settlement::{Settlement, SuspendEnd};
use crate::engine::journal::RunJournal;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, Record, StepId};

impl HeldReservation {
    /// Why the caller may not have this end's result, if it may not: a step was not recorded, or one that an earlier
    /// run has begun was not asked for.
    #[inline]
    pub(crate) fn refusal(&self, settlement: &Settlement) -> Option<Error> {
        self.refusal_of(self.lease.journal()?, settlement)
    }

    fn refusal_of(&self, journal: &RunJournal, settlement: &Settlement) -> Option<Error> {
        if let Some(poison) = journal.poisoned() {
            return Some(poison.error(self.id()));
        }
        let ends = matches!(settlement, Settlement::Complete { .. });
        (ends && self.is_unfinished(journal)).then(|| self.unfinished(journal))
    }

    fn is_unfinished(&self, journal: &RunJournal) -> bool {
        journal.is_expecting(&StepId::of_call(self.id()))
    }

    fn unfinished(&self, journal: &RunJournal) -> Error {
        let missing = journal.missing(&StepId::of_call(self.id()));
        Error::of(ErrorKind::Incompatible, self.id()).detail(format!(
            "the call ended and did not ask for {missing}, which an earlier run has begun: a step that was renamed or \
             removed; deploy the code that began the call, or finish it by hand"
        ))
    }

    /// What an end means for a call with steps.
    pub(super) fn with_steps(&self, settlement: Settlement) -> Settlement {
        let Some(journal) = self.lease.journal() else { return settlement };
        if let Some(poison) = journal.poisoned() {
            let error = Some(poison.why().to_owned());
            return Settlement::Suspend(SuspendEnd {
                in_doubt: poison.in_doubt,
                error,
                holds: false,
            });
        }
        if !journal.is_written() {
            return settlement;
        }
        let is_at_most_once = self.reservation().guarantee().keeps_lapsed();
        let end = match settlement {
            Settlement::Complete { .. } if self.is_unfinished(journal) => {
                let error = self.unfinished(journal);
                tracing::error!(
                    record = %self.id(),
                    error = &error as &dyn std::error::Error,
                    "a call with steps could not be recorded"
                );
                let error = Some(error.why().to_owned());
                SuspendEnd { error, ..SuspendEnd::default() }
            }
            Settlement::Complete { .. } | Settlement::Suspend(_) => return settlement,
            Settlement::Release => SuspendEnd::default(),
            Settlement::Unknown(end) => SuspendEnd {
                in_doubt: is_at_most_once || end.needs_resolving,
                error: end.error.map(std::borrow::Cow::into_owned),
                holds: false,
            },
            Settlement::HoldForLease => {
                SuspendEnd { in_doubt: is_at_most_once, holds: true, error: None }
            }
        };
        Settlement::Suspend(end)
    }

    /// The reservation with its journal, if the store may have one.
    pub(super) fn journaled(&self) -> Option<&Record> {
        let journal = self.lease.journal()?;
        journal.is_written().then_some(&journal.record)
    }

    /// The reservation as it was last sent to the store: with its journal, if a step was written. So a store that keeps the
    /// two apart need not look for one.
    pub(super) fn written(&self) -> &Record {
        self.journaled().unwrap_or_else(|| self.reservation())
    }
}

impl SuspendEnd {
    /// The record to leave where the call has a journal.
    pub(super) fn record(&self, journaled: &Record) -> Record {
        let guarantee = if self.in_doubt { Guarantee::AtMostOnce } else { Guarantee::AtLeastOnce };
        let record = journaled.with_guarantee(guarantee);
        let record = if self.holds { record.held() } else { record.abandoned() };
        match &self.error {
            Some(error) => record.with_last_error(error),
            None => record,
        }
    }
}
