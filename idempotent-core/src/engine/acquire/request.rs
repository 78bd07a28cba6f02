//! [`Request`]: a call as its caller described it, before anything is decided.

use crate::codec::Digest;
use crate::engine::idempotency::Idempotency;
use crate::model::{KeyParts, KeyProblem, Operation};

/// A call's options. It borrows nothing, so the arguments may be moved once it is made.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) key: Result<KeyParts, KeyProblem>,
    pub(crate) scope: Option<Box<Result<KeyParts, KeyProblem>>>,
    pub(crate) digest: Option<Result<Digest, Box<rmp_serde::encode::Error>>>,
    pub(crate) engine: Option<Idempotency>,
}
