//! Calls whose bodies count how often they ran.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use idempotent_core::{Error, Idempotency, Operation};

/// What most calls of the tests return: which run of the body it was, from 1.
pub type Answer = Result<usize, Error>;

/// How often a body ran. Clones count together.
#[derive(Clone, Debug, Default)]
pub struct Runs(Arc<AtomicUsize>);

impl Runs {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts one more, and says which.
    pub fn note(&self) -> usize {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// How many so far.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// One call, whose body ends at once.
///
/// # Errors
///
/// The refusal.
pub async fn call(engine: &Idempotency, operation: Operation, key: &str, runs: &Runs) -> Answer {
    let call = operation.key(key).engine(engine).returning::<Answer>();
    call.run(|| async { Ok(runs.note()) }).await
}

/// One call as a task of its own, whose body takes `time`.
pub fn call_for(
    engine: &Idempotency,
    operation: Operation,
    key: &str,
    runs: &Runs,
    time: Duration,
) -> tokio::task::JoinHandle<Answer> {
    let call = operation.key(key).engine(engine).returning::<Answer>();
    let runs = runs.clone();
    tokio::spawn(call.run(move || async move {
        let run = runs.note();
        tokio::time::sleep(time).await;
        Ok(run)
    }))
}
