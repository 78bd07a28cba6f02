//! gRPC with tonic: keys from metadata, refusals as statuses, prost messages as results.
//!
//! The attribute goes on the method of a service, with the flag `grpc`:
//!
//! ```
//! use idempotent_core::{grpc, idempotent};
//! use tonic::{Request, Response, Status};
//! # #[derive(Clone, PartialEq, prost::Message)]
//! # pub struct ChargeRequest { #[prost(uint64, tag = "1")] order: u64 }
//! # #[derive(Clone, PartialEq, prost::Message)]
//! # pub struct Receipt { #[prost(string, tag = "1")] id: String }
//! # #[tonic::async_trait]
//! # pub trait Payments {
//! #     async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<Receipt>, Status>;
//! # }
//! # struct Gate;
//!
//! #[tonic::async_trait]
//! impl Payments for Gate {
//!     #[idempotent(
//!         key = grpc::key(&request)?,
//!         fingerprint = grpc::payload(request.get_ref()),
//!         name = "payments.charge",
//!         grpc
//!     )]
//!     async fn charge(&self, request: Request<ChargeRequest>) -> Result<Response<Receipt>, Status> {
//!         let order = request.into_inner().order;
//!         Ok(Response::new(Receipt { id: format!("receipt of order {order}") }))
//!     }
//! }
//! ```
//!
//! * [`key()`] reads `idempotency-key`, and [`payload`] makes a fingerprint of a message.
//! * A kept [`Response`](tonic::Response) is its prost message and its metadata, ASCII and binary. A
//!   replay also has `idempotency-replayed: true` ([`REPLAYED`]) in its metadata.
//! * A [`Status`](tonic::Status) is kept as well when its code is final ([`disposition_of`]): code,
//!   message, details and metadata.
//! * An [`Error`](crate::Error) is a `Status`, with what [`code_of`] says.
//! * [`CallBuilder::returning_grpc`](crate::CallBuilder::returning_grpc) is the flag without the
//!   attribute.
//!
//! Streams are neither kept nor replayed: the message of a response has to be there.
//!
#![doc = include_str!("../../docs/grpc.md")]

mod call;
mod disposition;
mod kept;
mod key;
mod payload;
mod refusal;

pub use self::call::Reply;
pub use self::disposition::disposition_of;
pub use self::kept::REPLAYED;
pub use self::key::{KEY, key};
pub use self::payload::{Payload, payload};
pub use self::refusal::{DOMAIN, code_of};
pub use crate::http::{IdempotencyKey, InvalidKey};
