//! A call that waits because of a step in doubt goes on once the step is not in doubt any more: its own owner was late, and
//! has said what became of it.
//!
//! Two may see that last: the late owner, who settles its step and then looks at the record; and the run that found the
//! step in doubt, which suspends the record and then looks at the journal. Whoever comes second finds both.

use std::time::Duration;

use crate::engine::idempotency::Idempotency;
use crate::engine::telemetry::Transition;
use crate::model::{Guarantee, RecordId, StepStatus, Token};
use crate::store::{State, StoreError, Suspend};

/// Suspends a call that is indeterminate, if no step of this journal is in doubt. Only for a call that is *at least once*
/// itself.
pub(in crate::engine) async fn go_on_without_doubt(
    engine: &Idempotency,
    id: &RecordId,
    journal: Token,
) {
    if let Err(error) = try_to_go_on(engine, id, journal).await {
        tracing::warn!(
            record = %id,
            error = &error as &dyn std::error::Error,
            "a call whose steps may not be in doubt any more could not be looked at: an operator may resume it"
        );
    }
}

async fn try_to_go_on(
    engine: &Idempotency,
    id: &RecordId,
    journal: Token,
) -> Result<(), StoreError> {
    let Some(store) = engine.store().journal() else { return Ok(()) };
    let limit = Duration::MAX;
    let found = engine.0.call(Transition::Look, limit, engine.store().load(id)).await?;
    let waits = |state, name| state == State::Indeterminate && name == Some(journal);
    let Some(found) = found.filter(|found| waits(found.state, found.record.journal())) else {
        return Ok(());
    };
    let call = store.load_steps(id, journal);
    let steps = engine.0.call(Transition::LoadSteps, limit, call).await?;
    if steps.is_empty() || steps.iter().any(|(_, entry)| entry.status() == StepStatus::Begun) {
        return Ok(());
    }
    let suspended = found.record.with_guarantee(Guarantee::AtLeastOnce).abandoned();
    let suspended = engine.seal(id, &suspended);
    let request = Suspend::new(id, &found.record, &suspended).due_in(Some(Duration::ZERO));
    engine.0.call(Transition::Suspend, limit, store.suspend(&request)).await
}
