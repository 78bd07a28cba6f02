//! The flag `grpc` without the feature `tonic`.

use crate::call::builder::CallBuilder;
use crate::call::result_type::ResultType;
use crate::error::Error;

/// The feature `tonic`.
#[derive(Debug)]
pub struct Tonic;

/// A feature that is on, for a call that returns `R`. None in this file is.
#[diagnostic::on_unimplemented(
    message = "`grpc` requires the feature `tonic` of `idempotent-core`",
    label = "the feature `tonic` is off",
    note = "add `features = [\"tonic\"]` to `idempotent-core` in your `Cargo.toml`"
)]
pub trait Enabled<R: ResultType> {
    fn call(builder: CallBuilder) -> R::Call;
}

impl CallBuilder {
    #[doc(hidden)]
    pub fn returning_grpc<R: ResultType>(self) -> R::Call
    where
        Tonic: Enabled<R>,
    {
        Tonic::call(self)
    }

    #[doc(hidden)]
    pub fn returning_grpc_or<R: ResultType>(self, _: fn(Error) -> R::Err) -> R::Call
    where
        Tonic: Enabled<R>,
    {
        Tonic::call(self)
    }
}
