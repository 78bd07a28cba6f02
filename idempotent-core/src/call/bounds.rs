//! The bounds of the two sides of a memoized `Result`, and what the compiler says if one is not
//! met.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;

/// A value that can be memoized: anything that serde can write and read back as an owned value.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be memoized",
    label = "must implement `Serialize` and `DeserializeOwned`",
    note = "a memoized value is written to the store and read back: derive `serde::Serialize` and `serde::Deserialize`, and use owned types",
    note = "a response of axum, such as `Json`, is memoized by the flag `response`, and a `tonic::Response` by the flag `grpc`",
    note = "of an `Arc<T>` or an `Rc<T>`, return the `T`, or enable the feature `rc` of `serde`"
)]
pub trait Memoizable: Serialize + DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned> Memoizable for T {}

/// An error that can be memoized, as `memoize = all` asks. Every [`Memoizable`] type is one.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be memoized",
    label = "must implement `Serialize` and `DeserializeOwned`",
    note = "a memoized error is written to the store and read back: derive `serde::Serialize` and `serde::Deserialize` for an error type of your own",
    note = "an error of another crate, such as `anyhow::Error`, cannot be kept: return an error type of your own, or write `on_error = path` instead, which needs no serde"
)]
pub trait MemoizableError: Memoizable {}

#[diagnostic::do_not_recommend]
impl<E: Serialize + DeserializeOwned> MemoizableError for E {}

/// An error type into which an [`Error`] can be converted.
#[diagnostic::on_unimplemented(
    message = "`{Self}` must implement `From<idempotent_core::Error>`",
    label = "cannot be made from an `idempotent_core::Error`",
    note = "a call may be refused with an `idempotent_core::Error`: for an error type of your own, write `impl From<idempotent_core::Error> for {Self}`",
    note = "for a type of another crate, such as `String`, that `impl` is not allowed: write `map_error = path`, with the path of a `fn(idempotent_core::Error) -> {Self}`"
)]
pub trait FromError: Sized {
    /// Converts a refusal.
    fn from_error(error: Error) -> Self;
}

#[diagnostic::do_not_recommend]
impl<E: From<Error>> FromError for E {
    fn from_error(error: Error) -> Self {
        error.into()
    }
}
