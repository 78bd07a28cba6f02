//! The flag `response` without the feature `axum`.

use std::marker::PhantomData;

use super::super::CallBuilder;

/// The feature `axum`. Its lifetime lets a method ask for the feature in vain: the compiler refuses a
/// bound without parameters that never holds where the method is, and not where it is called.
#[derive(Debug)]
pub struct Axum<'a>(PhantomData<&'a ()>);

/// A feature that is on. None that this file names is.
#[diagnostic::on_unimplemented(
    message = "`response` needs the feature `axum` of `idempotent-core`",
    label = "the feature `axum` is off",
    note = "write `features = [\"axum\"]` at `idempotent-core` in your `Cargo.toml`"
)]
pub trait Enabled {
    fn call(builder: CallBuilder) -> HandlerCall;
}

/// There is none.
#[derive(Debug)]
pub enum HandlerCall {}

/// What a handler returns that cannot be.
#[derive(Debug)]
pub enum Response {}

impl CallBuilder {
    #[doc(hidden)]
    pub fn returning_response(self) -> HandlerCall
    where
        for<'a> Axum<'a>: Enabled,
    {
        <Axum<'_>>::call(self)
    }
}

impl HandlerCall {
    #[doc(hidden)]
    pub async fn run<F>(self, _: F) -> Response {
        match self {}
    }

    #[doc(hidden)]
    pub async fn run_detached<F>(self, _: F) -> Response {
        match self {}
    }
}
