//! What an annotated function does, for every option and every kind of function.
//!
//! Most functions here return how often they ran, so a replay is a `1` that is seen again.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

mod async_trait_methods;
mod content_keys;
mod corrections;
mod function_kinds;
mod futures;
mod generated;
mod hostile;
mod instrumented;
mod keys;
mod lints;
mod methods;
mod options;
mod results;
mod scopes;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::with_engine;

/// Counts the runs of a body.
#[derive(Clone, Debug, Default)]
struct Runs(Arc<AtomicU32>);

impl Runs {
    /// One run more, and which one it is.
    fn next(&self) -> u32 {
        self.0.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

fn engine() -> Idempotency {
    Idempotency::new(MemoryStore::new())
}

/// Runs `test` on an engine of its own.
async fn alone<F: Future>(test: F) -> F::Output {
    with_engine(engine(), test).await
}
