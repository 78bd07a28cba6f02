//! [`Request`]: a call as its caller described it, before anything is decided.

use std::fmt;
use std::sync::Arc;

use crate::codec::Digest;
use crate::engine::idempotency::Idempotency;
use crate::engine::limits::Limiter;
use crate::model::{KeyParts, KeyProblem, Operation, RecordBytes, ResultTypes, TraceParent};

/// A call's options. It borrows nothing, so the arguments may be moved once it is made.
pub(crate) struct Request {
    pub(crate) operation: Operation,
    pub(crate) key: Result<KeyParts, KeyProblem>,
    pub(crate) scope: Option<Box<Result<KeyParts, KeyProblem>>>,
    pub(crate) digest: Option<Result<Digest, Box<rmp_serde::encode::Error>>>,
    pub(crate) engine: Option<Idempotency>,
    /// What the call is limited by, instead of the engine's own limits.
    pub(crate) limiter: Option<Arc<Limiter>>,
    /// Whether the body runs on without its caller.
    pub(crate) detaches: bool,
    /// What the call returns, for those who may have to resolve it.
    pub(crate) result_types: Option<ResultTypes<'static>>,
    /// Where the call runs in a distributed trace, if the engine wants to know.
    pub(crate) trace_parent: Option<TraceParent>,
    /// What the call is resumed with without its caller. Boxed, since few calls are.
    pub(crate) input: Option<Box<Input>>,
}

/// An encoded input.
pub(crate) type Input = Result<RecordBytes, rmp_serde::encode::Error>;

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("operation", &self.operation)
            .field("key", &self.key)
            .field("scope", &self.scope)
            .field("digest", &self.digest)
            .field("engine", &self.engine)
            .field("detaches", &self.detaches)
            .finish_non_exhaustive()
    }
}
