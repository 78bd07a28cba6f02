//! One rule of the contract.

use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::JoinSet;

use super::fixture::Fixture;
use super::hold_up::HoldUp;
use super::subject::Subject;

type Run = fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One rule of the contract, which can be tested on a store.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: Run,
}

impl Case {
    pub(super) fn new(name: &'static str, run: Run) -> Self {
        Self { name, run }
    }

    /// The rule, as a sentence.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Tests the rule on a subject. It needs a tokio runtime with the timer enabled. Racing cases really
    /// race only on several worker threads.
    ///
    /// A case whose calls took so long that a lease may have ended meanwhile proves nothing if it fails. It runs
    /// again, with twice the [lease](Subject::lease) each time, at most five times.
    ///
    /// # Panics
    ///
    /// If the store breaks the rule.
    pub async fn run(&self, subject: impl Subject) {
        let subject: Arc<dyn Subject> = Arc::new(subject);
        for hold_up in HoldUp::of_each_run() {
            let fixture = Fixture::new(subject.clone(), hold_up.clone());
            // It is aborted if this is dropped.
            let mut run = JoinSet::new();
            run.spawn((self.run)(fixture));
            match run.join_next().await.map_or(Ok(()), |ended| ended) {
                Ok(()) => return,
                Err(failed) if failed.is_panic() && hold_up.excuses(&*subject) => {}
                Err(failed) => match failed.try_into_panic() {
                    Ok(panic) => resume_unwind(panic),
                    Err(_) => panic!("the runtime ended before the case"),
                },
            }
        }
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}
