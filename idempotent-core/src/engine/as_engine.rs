//! [`AsEngine`]: what a call takes as its engine.

use std::ops::Deref;

use super::idempotency::Idempotency;

/// An engine, or what dereferences to one: an `Arc`, a guard, an extractor of axum.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an engine",
    label = "expected an `Idempotency`",
    note = "an engine is made of a store: wrap it once, with `Idempotency::new(store)`, and give that engine to every call",
    note = "an `Option` is not an engine: unwrap it, or leave `engine` out to use the engine of the task, or the installed one"
)]
pub trait AsEngine {
    /// The engine.
    fn as_engine(&self) -> &Idempotency;
}

impl AsEngine for Idempotency {
    fn as_engine(&self) -> &Idempotency {
        self
    }
}

#[diagnostic::do_not_recommend]
impl<P: Deref<Target: AsEngine> + ?Sized> AsEngine for P {
    fn as_engine(&self) -> &Idempotency {
        (**self).as_engine()
    }
}
