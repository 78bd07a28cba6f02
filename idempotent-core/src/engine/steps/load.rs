//! Loading what earlier runs of a call have written.

use std::time::Duration;

use crate::engine::idempotency::Idempotency;
use crate::engine::journal::Poison;
use crate::engine::lease::StepScope;
use crate::engine::telemetry::Transition;
use crate::error::{Error, ErrorKind};
use crate::model::{StepEntry, StepId};
use crate::store::{StoreError, StoreErrorKind};

const LOST: &str = "the record says that the call has a journal of steps, and the store has none: what the call did is \
                    not known, so nothing of it runs again";

/// Loads the steps of earlier runs, once in a run.
pub(super) async fn load(engine: &Idempotency, scope: &StepScope) -> Result<(), Error> {
    let journal = &scope.journal;
    if !journal.is_resumed {
        return Ok(());
    }
    let loaded = journal.loaded.get_or_try_init(|| async {
        let steps = ask(engine, scope).await?;
        journal.load(steps);
        Ok(())
    });
    loaded.await.map(drop).map_err(|poison: Poison| {
        let error = poison.error(&scope.lease.id);
        scope.poison(poison);
        error
    })
}

async fn ask(engine: &Idempotency, scope: &StepScope) -> Result<Vec<(StepId, StepEntry)>, Poison> {
    let (id, name) = (&scope.lease.id, scope.journal.name);
    let Some(store) = engine.store().journal() else {
        return Err(Poison::new(ErrorKind::Incompatible, LOST));
    };
    let limit = scope.lease.remaining().max(Duration::from_millis(1));
    let call = store.load_steps(id, name);
    let steps =
        engine.0.call(Transition::LoadSteps, limit, call).await.map_err(|error| failed(&error))?;
    if steps.is_empty() {
        return Err(Poison::new(ErrorKind::Incompatible, LOST));
    }
    for (step, entry) in &steps {
        if let Err(why) = engine.0.authenticity.check_step(name, step, entry) {
            let why = format!("step `{}`: {why}", entry.name());
            tracing::error!(record = %id, why, "a recorded step is not authentic and is not believed");
            return Err(Poison::new(ErrorKind::NotAuthentic, why));
        }
    }
    Ok(steps)
}

fn failed(error: &StoreError) -> Poison {
    let kind = match error.kind() {
        StoreErrorKind::Malformed => ErrorKind::Incompatible,
        _ => ErrorKind::Store,
    };
    Poison::new(kind, error.to_string())
}
