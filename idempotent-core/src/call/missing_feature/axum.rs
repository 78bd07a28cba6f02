//! The flag `response` without the feature `axum`.

use std::marker::PhantomData;

use crate::call::builder::CallBuilder;

/// The feature `axum`. Its lifetime makes the compiler report the missing feature where the method
/// is called. Without a parameter, a bound that never holds is an error where the method is
/// defined.
#[derive(Debug)]
pub struct Axum<'a>(PhantomData<&'a ()>);

/// A feature that is on, which none in this file is.
#[diagnostic::on_unimplemented(
    message = "`response` requires the feature `axum` of `idempotent-core`",
    label = "the feature `axum` is off",
    note = "add `features = [\"axum\"]` to `idempotent-core` in your `Cargo.toml`"
)]
pub trait Enabled {
    fn call(builder: CallBuilder) -> HandlerCall;
}

/// A call that cannot exist.
#[derive(Debug)]
pub enum HandlerCall {}

/// A response that cannot exist.
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
