//! Resuming one call: it is taken, its input decoded, and its body run by the code of its operation.

use std::sync::Arc;

use super::park::{give_back, park};
use super::state::{Resumed, Worker};
use super::take::take;
use crate::engine::claim::{Claim, Stage, misled};
use crate::engine::task_engine::with_engine;
use crate::engine::telemetry::Telemetry;
use crate::error::ErrorKind;
use crate::model::{Record, RecordId};
use crate::store::{DueCall, StoreErrorKind, Written};

/// Resumes a call that is due.
pub(super) async fn resume(worker: Arc<Worker>, due: DueCall) -> Resumed {
    let (engine, id) = (&worker.engine, &due.id);
    if engine.authenticate(id, &due.entry.record).is_err() {
        worker.leave(id);
        return Resumed::Taken;
    }
    match take(engine, &due).await {
        Ok(Some(taken)) => {
            run(&worker, id, &due.entry.record, taken).await;
            Resumed::Taken
        }
        Ok(None) => Resumed::Taken,
        Err(error) if error.kind() == StoreErrorKind::Malformed => {
            tracing::error!(
                record = %id,
                error = &error as &dyn std::error::Error,
                "the steps of a call that is due cannot be read; it is left to other processes"
            );
            worker.leave(id);
            Resumed::Taken
        }
        Err(error) => {
            tracing::warn!(
                record = %id,
                error = &error as &dyn std::error::Error,
                "a call that is due could not be taken; trying again soon"
            );
            worker.note_failed(id);
            Resumed::Failed
        }
    }
}

/// Runs a call that was taken.
async fn run(worker: &Worker, id: &RecordId, seen: &Record, taken: Written) {
    let (engine, record) = (&worker.engine, taken.record.clone());
    let attempts = record.attempts();
    if attempts > worker.max_attempts {
        let last = seen.last_error().unwrap_or("its process died");
        let tried = attempts - 1;
        let why = format!("it was claimed {tried} times and recorded nothing new: {last}");
        return park(engine, id, &record, &why).await;
    }
    let (Some(make_run), Some(input)) = (worker.operations.get(id.operation()), record.input())
    else {
        return give_back(engine, id, &record, "it has no input", false).await;
    };
    Telemetry::resumed(id, attempts);
    let claim = Arc::new(Claim::new(engine, id, taken));
    let (make_run, input) = (Arc::clone(make_run), input.to_vec());
    let body = async move {
        let run = make_run(&input)?;
        run.await;
        Ok::<(), String>(())
    };
    // In a task of its own, since it may panic.
    let ended = tokio::spawn(claim.scope(with_engine(engine.clone(), body))).await;
    if claim.is_left() {
        worker.leave(id);
    }
    let why = match claim.finish() {
        Stage::Taken => return,
        Stage::Misled(_) => return park(engine, id, &record, misled()).await,
        Stage::Refused(_, kind, why) => return refused(worker, id, &record, kind, &why).await,
        Stage::Untouched(_) => match ended {
            Ok(Err(undecodable)) => return park(engine, id, &record, &undecodable).await,
            Ok(Ok(())) => "the closure of the recovery has ended and made no call",
            Err(_) => "the closure of the recovery panicked",
        },
    };
    give_back(engine, id, &record, why, true).await;
}

/// What becomes of a call that was refused before its body.
async fn refused(worker: &Worker, id: &RecordId, record: &Record, kind: ErrorKind, why: &str) {
    let engine = &worker.engine;
    match kind {
        ErrorKind::FingerprintMismatch => park(engine, id, record, why).await,
        ErrorKind::Incompatible | ErrorKind::NotAuthentic => {
            worker.leave(id);
            give_back(engine, id, record, why, false).await;
        }
        // A limit of this process, or its store.
        kind => give_back(engine, id, record, why, !kind.is_retryable()).await,
    }
}
