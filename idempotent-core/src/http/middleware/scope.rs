//! The caller that a request's key belongs to.

use std::sync::Arc;

use http::request;

use crate::http::IdempotencyKey;
use crate::model::{Key, KeyParts, KeyProblem};

#[derive(Clone)]
pub(super) enum Scope {
    /// Keys belong to nobody: whoever knows a key can get its response.
    Global,
    Of(Arc<ScopeFn>),
}

type ScopeFn = dyn Fn(&request::Parts) -> Result<KeyParts, KeyProblem> + Send + Sync;

/// The minimum entropy of a key in the global scope, in bits.
const MIN_ENTROPY_BITS: u32 = 128;

impl Scope {
    pub(super) fn of<K: Key>(scope: impl Fn(&request::Parts) -> K + Send + Sync + 'static) -> Self {
        Self::Of(Arc::new(move |parts| KeyParts::of(&scope(parts))))
    }

    /// Whether a key can be guessed by somebody who would then get its response.
    pub(super) fn is_weak(&self, key: &IdempotencyKey) -> bool {
        matches!(self, Self::Global) && key.entropy_bits() < MIN_ENTROPY_BITS
    }

    /// The owner of a request's key; `None` in the global scope.
    pub(super) fn owner(&self, parts: &request::Parts) -> Result<Option<KeyParts>, KeyProblem> {
        match self {
            Self::Global => Ok(None),
            Self::Of(scope) => scope(parts).map(Some),
        }
    }
}
