//! gRPC with tonic: keys from metadata, errors as statuses, prost messages as results.
//!
//! Put the attribute on a method of a service, with the flag `grpc`:
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
//! * [`key()`] reads the metadata `idempotency-key`, and [`payload`] makes a fingerprint of a message.
//! * A [`Response`](tonic::Response) is stored with its prost message and its metadata, ASCII and binary.
//!   A replay also has the metadata `idempotency-replayed: true` ([`REPLAYED`]).
//! * A [`Status`](tonic::Status) with a final code ([`disposition_of`]) is stored too: code, message,
//!   details and metadata.
//! * An [`Error`](crate::Error) converts into a `Status` with the code that [`code_of`] says.
//! * [`CallBuilder::returning_grpc`](crate::call::CallBuilder::returning_grpc) does the same without the
//!   attribute.
//!
//! Streams are neither stored nor replayed.
//!
#![doc = include_str!("../../docs/grpc.md")]

mod disposition;
mod encoding;
mod error_status;
mod key;
mod metadata_value;
mod payload;
mod returning_grpc;

pub use self::disposition::disposition_of;
pub use self::encoding::REPLAYED;
pub use self::error_status::{DOMAIN, code_of};
pub use self::key::{KEY, key, key_up_to};
pub use self::payload::{Payload, payload};
pub use self::returning_grpc::UnaryResponse;
pub use crate::http::{IdempotencyKey, InvalidKey};
