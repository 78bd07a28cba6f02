//! One rule of the contract.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use super::fixture::Fixture;
use super::subject::SourceSubject;

type Run = fn(Fixture) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One rule of the contract of sources, which can be tested on a source.
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

    /// Tests the rule on a subject. It needs a tokio runtime with the timer enabled.
    ///
    /// # Panics
    ///
    /// If the source breaks the rule.
    pub async fn run(&self, subject: impl SourceSubject) {
        (self.run)(Fixture::new(Arc::new(subject))).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}
