//! Taking a call that is due: a compare-and-set on the record that was seen. It is here that an attempt counts.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use super::park::give_back;
use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::Transition;
use crate::model::{Runs, StepStatus, Token};
use crate::store::{DueCall, Resume, ResumeOutcome, StoreError, Written};

/// Takes a call; `None` if somebody else was first.
pub(super) async fn take(
    engine: &Idempotency,
    due: &DueCall,
) -> Result<Option<Written>, StoreError> {
    let (Some(store), seen) = (engine.store().journal(), &due.entry.record) else {
        return Ok(None);
    };
    let steps = match seen.journal() {
        None => 0,
        Some(journal) => {
            let call = store.load_steps(&due.id, journal);
            let steps = engine.0.call(Transition::LoadSteps, Duration::MAX, call).await?;
            let recorded = |status| matches!(status, StepStatus::Recorded | StepStatus::NotKept(_));
            let recorded = steps.iter().filter(|(_, entry)| recorded(entry.status())).count();
            u32::try_from(recorded).unwrap_or(u32::MAX)
        }
    };
    let before = seen.runs();
    // With each newly recorded step the attempts begin anew.
    let attempts = if steps > before.steps { 1 } else { before.attempts.saturating_add(1) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let record = seen.taken_over(Token::random(), now, Runs { attempts, steps });
    let record = engine.seal(&due.id, &record);
    let lease = record.lease();
    // If this process dies, too, the next attempt comes after a pause.
    let pause = engine.settings().resume_backoff.pause(attempts);
    let request = Resume::new(&due.id, seen, &record, lease).due_in(lease.saturating_add(pause));
    let at = Instant::now();
    match engine.0.call(Transition::Resume, lease, store.resume(&request)).await {
        Ok(outcome) => Ok(matches!(outcome, ResumeOutcome::Won).then_some(Written { record, at })),
        Err(error) => {
            // Perhaps only the answer was lost: then nobody runs what was taken, and that is no attempt.
            give_back(engine, &due.id, &record, "the store's answer was lost", false).await;
            Err(error)
        }
    }
}
