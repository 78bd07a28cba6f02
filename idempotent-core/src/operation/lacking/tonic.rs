//! The flag `grpc` without the feature `tonic`.

use super::super::{CallBuilder, Returned};
use crate::Error;

/// The feature `tonic`.
#[derive(Debug)]
pub struct Tonic;

/// A feature that is on, for a call that returns `R`. None that this file names is.
#[diagnostic::on_unimplemented(
    message = "`grpc` needs the feature `tonic` of `idempotent-core`",
    label = "the feature `tonic` is off",
    note = "write `features = [\"tonic\"]` at `idempotent-core` in your `Cargo.toml`"
)]
pub trait Enabled<R: Returned> {
    fn call(builder: CallBuilder) -> R::Call;
}

impl CallBuilder {
    #[doc(hidden)]
    pub fn returning_grpc<R: Returned>(self) -> R::Call
    where
        Tonic: Enabled<R>,
    {
        Tonic::call(self)
    }

    #[doc(hidden)]
    pub fn returning_grpc_or<R: Returned>(self, _: fn(Error) -> R::Err) -> R::Call
    where
        Tonic: Enabled<R>,
    {
        Tonic::call(self)
    }
}
