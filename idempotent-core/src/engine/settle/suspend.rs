//! How a run ends whose call has steps or an input: what it has recorded stays, and the next run resumes it.

use std::time::Duration;

use super::held::HeldReservation;
use super::settlement::{Doubt, Settlement, SuspendEnd, UnknownEnd};
use crate::engine::claim::Claim;
use crate::engine::journal::RunJournal;
use crate::engine::telemetry::Telemetry;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, Record, Runs, StepId};
use crate::store::backoff::Backoff;

/// The last error of a call whose body has returned what is not recorded. What it was may be confidential.
const NOT_RECORDED: &str = "its body returned what is not recorded, as an `Err` by default";

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

    /// What an end means for a call that another run can resume, or whose body asks for that.
    pub(super) fn with_steps(&self, settlement: Settlement) -> Settlement {
        let journal = self.lease.journal();
        let is_at_most_once = self.reservation().guarantee().keeps_lapsed();
        if let Some(poison) = journal.and_then(RunJournal::poisoned) {
            if poison.is_of_version() {
                self.leave();
            }
            Telemetry::poisoned(self.id(), poison.why());
            let needs_resolving =
                matches!(&settlement, Settlement::Unknown(end) if end.needs_resolving);
            return Settlement::Suspend(SuspendEnd {
                doubt: match poison.in_doubt {
                    true if is_at_most_once || needs_resolving => Doubt::Call,
                    true => Doubt::Steps,
                    // Other code may go on.
                    false if poison.is_of_code() => Doubt::None,
                    false => Doubt::of_call(is_at_most_once),
                },
                error: Some(poison.why().to_owned()),
                is_uncounted: !poison.counts() && self.is_attempt(),
                ..SuspendEnd::asked_for()
            });
        }
        let is_written = journal.is_some_and(RunJournal::is_written);
        let has_input = self.reservation().has_input();
        let end = match settlement {
            // There is nothing to go on with.
            Settlement::Suspend(end) if !is_written && !has_input => {
                let error = end.error.map(Into::into);
                return Settlement::Unknown(UnknownEnd { error, ..UnknownEnd::default() });
            }
            settlement if !is_written && !has_input => return settlement,
            Settlement::Complete { .. } if journal.is_some_and(|it| self.is_unfinished(it)) => {
                self.leave();
                let error = journal.map(|journal| self.unfinished(journal));
                tracing::error!(
                    record = %self.id(),
                    error = error.as_ref().map(|error| error as &dyn std::error::Error),
                    "a call with steps could not be recorded"
                );
                let error = error.map(|error| error.why().to_owned());
                SuspendEnd { error, is_uncounted: self.is_attempt(), ..SuspendEnd::asked_for() }
            }
            Settlement::Complete { .. } => return settlement,
            Settlement::Suspend(end) => {
                SuspendEnd { doubt: Doubt::of_call(is_at_most_once), ..end }
            }
            Settlement::Release => {
                if let Some(step) = journal.and_then(RunJournal::gone_on_from) {
                    Telemetry::gone_on(self.id(), &step);
                }
                SuspendEnd { error: Some(NOT_RECORDED.to_owned()), ..SuspendEnd::default() }
            }
            Settlement::Unknown(end) => SuspendEnd {
                doubt: Doubt::of_call(is_at_most_once || end.needs_resolving),
                error: end.error.map(std::borrow::Cow::into_owned),
                ..SuspendEnd::default()
            },
            Settlement::HoldForLease => {
                let doubt = Doubt::of_call(is_at_most_once);
                SuspendEnd { doubt, holds: true, ..SuspendEnd::default() }
            }
        };
        Settlement::Suspend(end)
    }

    /// Whether the run was counted as an attempt of a recovery: those of a call's own callers are not.
    fn is_attempt(&self) -> bool {
        self.claim().is_some()
    }

    /// Notes that this process cannot go on with the call.
    fn leave(&self) {
        if let Some(claim) = self.claim() {
            claim.leave();
        }
    }

    fn claim(&self) -> Option<&Claim> {
        self.resumption.as_ref()?.claim.as_deref()
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

impl Doubt {
    /// The doubt of a call, if there is one.
    const fn of_call(is_in_doubt: bool) -> Self {
        if is_in_doubt { Self::Call } else { Self::None }
    }
}

impl SuspendEnd {
    fn is_in_doubt(&self) -> bool {
        self.doubt != Doubt::None
    }

    /// What becomes of a reservation of which the store has no journal; `None` if it is released.
    pub(super) fn unjournaled(&self, reservation: &Record) -> Option<Record> {
        if reservation.has_input() {
            return (self.is_interrupted || self.holds || self.is_in_doubt())
                .then(|| self.record(reservation));
        }
        let keeps = reservation.guarantee().keeps_lapsed() || self.holds;
        keeps.then(|| if self.holds { reservation.held() } else { reservation.abandoned() })
    }

    /// When a recovery is to resume the call, if it is.
    pub(super) fn due_in(&self, backoff: Backoff, record: &Record) -> Option<Duration> {
        (self.is_interrupted && !self.is_in_doubt()).then(|| backoff.pause(record.attempts() + 1))
    }

    /// The record to leave of a call that is resumed.
    pub(super) fn record(&self, reservation: &Record) -> Record {
        let record = match self.doubt {
            Doubt::None => reservation.with_guarantee(Guarantee::AtLeastOnce),
            Doubt::Steps if reservation.has_journal() => {
                reservation.with_guarantee(Guarantee::AtLeastOnce).waiting_for_steps()
            }
            Doubt::Steps | Doubt::Call => reservation.with_guarantee(Guarantee::AtMostOnce),
        };
        let record = if self.holds { record.held() } else { record.abandoned() };
        let runs = record.runs();
        let record = match self.is_uncounted && runs.attempts > 0 {
            true => record.with_runs(Runs { attempts: runs.attempts - 1, ..runs }),
            false => record,
        };
        match &self.error {
            Some(error) => record.with_last_error(error),
            None => record,
        }
    }
}
