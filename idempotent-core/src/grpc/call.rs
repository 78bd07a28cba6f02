//! Calls that give a unary gRPC response.

use tonic::{Response, Status};

use super::disposition_of;
use crate::Error;
use crate::operation::{CallBuilder, Encoded, FromError, Returned};

/// A response that can be kept: a [`tonic::Response`] of a prost message.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a gRPC response that can be kept",
    label = "not a `tonic::Response` of a prost message",
    note = "`grpc` is for unary methods, which return `Result<tonic::Response<M>, tonic::Status>` with an `M: prost::Message + Default`; streams are not kept"
)]
pub trait Reply: Encoded {}

#[diagnostic::do_not_recommend]
impl<M: prost::Message + Default> Reply for Response<M> {}

impl CallBuilder {
    /// Says that the call gives a unary gRPC response, a refusal becoming a [`Status`] by `From`.
    ///
    /// A [`Status`] that the body gives is kept, held or released as [`disposition_of`] says, unless
    /// [`on_error`](crate::Call::on_error) asks somebody else: those it keeps are replayed.
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
    /// type Answer = Result<Response<Receipt>, Status>;
    ///
    /// let call = || Operation::new("charge").key("order 9").returning_grpc::<Answer>();
    /// call().run(|| async { Ok(Response::new(Receipt { number: 1 })) }).await?;
    /// let retry = call().run(|| async { Ok(Response::new(Receipt { number: 2 })) }).await?;
    /// assert_eq!(retry.get_ref().number, 1);
    /// assert_eq!(retry.metadata().get("idempotency-replayed").unwrap(), "true");
    /// # Ok(()) }
    /// ```
    pub fn returning_grpc<R>(self) -> R::Call
    where
        R: Returned<Ok: Reply, Err = Status>,
    {
        self.returning_grpc_or::<R>(FromError::from_error)
    }

    /// Like [`returning_grpc`](Self::returning_grpc), a refusal becoming a [`Status`] by `map_error`.
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
        R: Returned<Ok: Reply, Err = Status>,
    {
        R::call(self.returning_encoded(map_error).memoize_encoded(disposition_of))
    }
}
