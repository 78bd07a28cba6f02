//! Calls that return a unary gRPC response.

use tonic::{Response, Status};

use super::disposition::disposition_of;
use crate::Error;
use crate::call::{BinaryResult, CallBuilder, FromError, ResultType};

/// A response that can be stored: a [`tonic::Response`] of a prost message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a unary gRPC response",
    label = "not a `tonic::Response` of a prost message",
    note = "`grpc` is for unary methods, which return `Result<tonic::Response<M>, tonic::Status>` with an `M: prost::Message + Default`; streams cannot be stored"
)]
pub trait UnaryResponse: BinaryResult {}

#[diagnostic::do_not_recommend]
impl<M: prost::Message + Default> UnaryResponse for Response<M> {}

impl CallBuilder {
    /// Makes a call that returns a unary gRPC response. A refusal becomes a [`Status`] by `From`.
    ///
    /// Whether a [`Status`] that the body returns is kept and replayed depends on [`disposition_of`],
    /// unless [`on_error`](crate::Call::on_error) sets another rule.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), tonic::Status> {
    /// use idempotent_core::Operation;
    /// use tonic::{Response, Status};
    ///
    /// #[derive(Clone, PartialEq, prost::Message)]
    /// struct Receipt {
    ///     #[prost(uint64, tag = "1")]
    ///     number: u64,
    /// }
    ///
    /// type Charged = Result<Response<Receipt>, Status>;
    ///
    /// let call = || Operation::new("charge").key("order 9").returning_grpc::<Charged>();
    /// call().run(|| async { Ok(Response::new(Receipt { number: 1 })) }).await?;
    /// let retry = call().run(|| async { Ok(Response::new(Receipt { number: 2 })) }).await?;
    /// assert_eq!(retry.get_ref().number, 1);
    /// assert_eq!(retry.metadata().get("idempotency-replayed").unwrap(), "true");
    /// # Ok(()) }
    /// ```
    pub fn returning_grpc<R>(self) -> R::Call
    where
        R: ResultType<Ok: UnaryResponse, Err = Status>,
    {
        self.returning_grpc_or::<R>(FromError::from_error)
    }

    /// Like [`returning_grpc`](Self::returning_grpc), but a refusal becomes a [`Status`] by `map_error`.
    ///
    /// ```
    /// use idempotent_core::{ErrorKind, Operation};
    /// use tonic::{Response, Status};
    ///
    /// let call = Operation::new("charge").key("order 9");
    /// let call = call.returning_grpc_or::<Result<Response<()>, Status>>(|error| match error.kind() {
    ///     ErrorKind::FingerprintMismatch => Status::already_exists("another order has this key"),
    ///     _ => error.into(),
    /// });
    /// ```
    pub fn returning_grpc_or<R>(self, map_error: fn(Error) -> Status) -> R::Call
    where
        R: ResultType<Ok: UnaryResponse, Err = Status>,
    {
        R::call(self.returning_binary(map_error).memoize_binary_errors(disposition_of))
    }
}
