//! The contract: what every store is held to, one case a rule.
//!
//! Implement [`Subject`] for your store and let [`contract_tests!`](crate::contract_tests) make a
//! test of each case. The cases need nothing but a handle to the store and a way to let time pass,
//! so they run against a map in memory and against a server alike.
//!
//! To run them by hand, as a harness of your own would, take them from [`cases`]: a case passes
//! when it returns and fails when it panics.

mod assertions;
mod complete;
mod dropped;
mod fencing;
mod lapse;
mod list;
mod release;
mod renew;
mod reserve;
mod scan;
mod scene;
mod subject;
mod wait;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub use self::list::cases;
use self::scene::Scene;
pub use self::subject::{Lapsed, Subject};

type Run = fn(Scene) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One rule of the contract, as something that can be tried on a store.
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    run: Run,
}

impl Case {
    /// The rule, as a sentence.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }

    /// Tries the rule on a subject, within a tokio runtime with its timer enabled. Racing cases
    /// race in earnest only on several worker threads.
    ///
    /// # Panics
    ///
    /// If the store breaks the rule.
    pub async fn run(&self, subject: impl Subject) {
        (self.run)(Scene::new(Arc::new(subject))).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

/// What a test that [`contract_tests!`](crate::contract_tests) made consists of.
#[doc(hidden)]
#[allow(clippy::missing_panics_doc)]
pub fn __run<S: Subject>(name: &str, subject: impl Future<Output = S>) {
    let case = cases()
        .into_iter()
        .find(|case| case.name == name)
        .unwrap_or_else(|| panic!("the contract has no case `{name}`"));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("a runtime starts")
        .block_on(async { case.run(subject.await).await });
}
