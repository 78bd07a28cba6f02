//! Where a step waits that no earlier run has written, while others are expected: it may be one of them under another
//! name, and would repeat its effect.

use std::pin::pin;

use tokio::time::{Instant, timeout_at};

use super::refusal::poison_by;
use crate::engine::idempotency::Idempotency;
use crate::engine::lease::StepScope;
use crate::error::{Error, ErrorKind};

/// Waits until every step that is expected beside this one has been asked for.
pub(super) async fn wait_for_expected(
    engine: &Idempotency,
    scope: &StepScope,
) -> Result<(), Error> {
    let journal = &scope.journal;
    let patience = engine.settings().step_patience;
    let mut last_busy = journal.last_arrival();
    loop {
        let mut changed = pin!(journal.changed.notified());
        // Enabled before it looks, so that no change in between is missed.
        changed.as_mut().enable();
        if let Some(poison) = journal.poisoned() {
            return Err(poison.error(&scope.lease.id));
        }
        if !journal.is_expecting(&scope.part_of) {
            return Ok(());
        }
        let until = journal.last_arrival().max(last_busy) + patience;
        if Instant::now() >= until {
            if !journal.is_busy() {
                let error = renamed(scope);
                poison_by(scope, &error, false);
                return Err(error);
            }
            // What is expected may be asked for when the bodies that run have ended.
            last_busy = Instant::now();
            continue;
        }
        // Whether woken or on time, it looks again.
        let _ = timeout_at(until, changed).await;
    }
}

fn renamed(scope: &StepScope) -> Error {
    let missing = scope.journal.missing(&scope.part_of);
    scope.refusal(
        ErrorKind::Incompatible,
        &format!(
            "an earlier run of this call has not begun it, and has begun {missing}, which this run does not ask for: a \
             step that was renamed, removed or moved would repeat its effect; deploy the code that began the call, or \
             finish it by hand"
        ),
    )
}

/// The error of a call, or of a step with steps, that ends without having asked for some.
pub(super) fn unfinished(scope: &StepScope) -> Error {
    let missing = scope.journal.missing(&scope.id);
    scope.refusal(
        ErrorKind::Incompatible,
        &format!("it ended and did not ask for {missing}, which an earlier run has begun"),
    )
}
