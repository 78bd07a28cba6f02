//! [`StepRequest`]: a step as its caller described it, before anything is decided.

use std::fmt;

use crate::codec::Digest;
use crate::model::{Guarantee, KeyParts, KeyProblem, Operation, ResultTypes};

/// A step's options: few, so that they need no allocation. It borrows nothing.
pub(crate) struct StepRequest {
    pub(crate) name: &'static str,
    pub(crate) guarantee: Guarantee,
    pub(crate) version: u32,
    pub(crate) accept: (u32, u32),
    pub(crate) key: Option<Result<Box<KeyParts>, KeyProblem>>,
    pub(crate) digest: Option<Box<Result<Digest, rmp_serde::encode::Error>>>,
    /// The names of what it may return, for whoever has to say what it did.
    pub(crate) result_types: Option<fn() -> ResultTypes<'static>>,
}

impl StepRequest {
    /// A step of this operation, without a key or a payload.
    pub(crate) const fn new(operation: &Operation) -> Self {
        let Operation { name, guarantee, version, accept, .. } = *operation;
        Self { name, guarantee, version, accept, key: None, digest: None, result_types: None }
    }
}

impl fmt::Debug for StepRequest {
    /// Omits the key and the payload's digest, which may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepRequest").field("name", &self.name).finish_non_exhaustive()
    }
}
