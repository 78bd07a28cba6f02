//! Taking a suspended call: a compare-and-set on the record that was seen.

use std::time::Duration;

use tokio::time::Instant;

use super::prepare::Prepared;
use crate::engine::lease::RenewalTask;
use crate::engine::settle::{Unused, discard};
use crate::engine::telemetry::Transition;
use crate::error::{Error, ErrorKind};
use crate::model::{Envelope, Record, Token};
use crate::store::{Entry, Resume, ResumeOutcome, State, StoreError, StoreErrorKind, Written};

/// What has become of an attempt to resume a call.
pub(super) enum Resumed {
    Won(Written),
    /// Somebody else was first.
    Taken(Entry),
    Failed(StoreError),
}

/// Resumes a call that nobody runs, if this is the same one.
pub(super) async fn resume(
    mut prepared: Prepared,
    task: &RenewalTask,
    limit: Duration,
    entry: &Entry,
) -> Result<(Prepared, Resumed), Error> {
    if let Err(refusal) = prepared.check_resumable(&entry.record) {
        prepared.leave();
        return Err(refusal);
    }
    let engine = prepared.engine.clone();
    let Some((store, record)) = engine.store().journal().zip(prepared.resumed(&entry.record))
    else {
        prepared.leave();
        return Err(
            prepared.incompatible("it can be resumed, which its store does not know".into())
        );
    };
    let sent = Instant::now();
    let request = Resume::new(&prepared.id, &entry.record, &record, prepared.lease);
    let call = store.resume(&request);
    match engine.0.transition(task, Transition::Resume, limit, call).await {
        Ok(ResumeOutcome::Won) => Ok((prepared, Resumed::Won(Written { record, at: sent }))),
        // Somebody else has taken it, and may have suspended it again.
        Ok(ResumeOutcome::Taken(entry)) if entry.state != State::Suspended => {
            Ok((prepared, Resumed::Taken(entry)))
        }
        Ok(_) => {
            prepared.leave();
            Err(prepared.in_progress(None))
        }
        Err(error) => {
            // Perhaps only the answer was lost: then the call has a reservation without an owner.
            discard(&engine, prepared.id.clone(), record, Unused::Unanswered);
            prepared.leave();
            if error.kind() == StoreErrorKind::Malformed {
                return Err(prepared.incompatible(error.to_string()).caused_by(error));
            }
            Ok((prepared, Resumed::Failed(error)))
        }
    }
}

impl Prepared {
    /// Refuses to go on with a call that is not this one.
    pub(super) fn check_resumable(&self, record: &Record) -> Result<(), Error> {
        self.engine.authenticate(&self.id, record)?;
        if record.version() != self.operation().version {
            return Err(self.incompatible(format!(
                "its call was interrupted in version {}, and this operation has version {}",
                record.version(),
                self.operation().version
            )));
        }
        // A call without a fingerprint does not resume one that has it, nor the reverse.
        if record.fingerprint() != self.fingerprint {
            return Err(Error::of(ErrorKind::FingerprintMismatch, &self.id));
        }
        Ok(())
    }

    /// The reservation of the run that resumes a call, as it is written.
    fn resumed(&self, suspended: &Record) -> Option<Record> {
        if !suspended.suspends() {
            return None;
        }
        // The first input stays.
        let input = suspended.input();
        let envelope = Envelope { input, retention: suspended.retention(), ..self.envelope() };
        let record = Record::reserved(&envelope, Token::random());
        let record = match suspended.journal() {
            Some(journal) => record.with_journal(journal, suspended.retention()),
            None => record,
        };
        let record = match input {
            Some(_) => record.with_runs(suspended.runs()),
            None => record,
        };
        Some(self.engine.seal(&self.id, &record))
    }
}
