//! The caller that a request's key belongs to.

use std::sync::Arc;

use http::request;

use crate::call::assert_owner;
use crate::http::IdempotencyKey;
use crate::model::{Key, KeyParts, KeyProblem};

#[derive(Clone)]
pub(super) enum Scope {
    /// Keys belong to nobody: whoever knows a key can get its response, so a key must have this many bits of
    /// entropy.
    Global {
        min_entropy_bits: u32,
    },
    Of(Arc<ScopeFn>),
}

type ScopeFn = dyn Fn(&request::Parts) -> Result<KeyParts, KeyProblem> + Send + Sync;

impl Scope {
    pub(super) const GLOBAL: Self =
        Self::Global { min_entropy_bits: IdempotencyKey::MIN_ENTROPY_BITS };

    pub(super) fn is_global(&self) -> bool {
        matches!(self, Self::Global { .. })
    }

    pub(super) fn set_min_entropy(&mut self, bits: u32) {
        if let Self::Global { min_entropy_bits } = self {
            *min_entropy_bits = bits;
        }
    }

    pub(super) fn of<K: Key>(scope: impl Fn(&request::Parts) -> K + Send + Sync + 'static) -> Self {
        const { assert_owner::<K>() };
        Self::Of(Arc::new(move |parts| KeyParts::of(&scope(parts))))
    }

    pub(super) fn of_ref<K: Key + ?Sized>(
        scope: impl Fn(&request::Parts) -> Option<&K> + Send + Sync + 'static,
    ) -> Self {
        const { assert_owner::<K>() };
        Self::Of(Arc::new(move |parts| KeyParts::of(&scope(parts))))
    }

    /// Whether a key can be guessed by somebody who would then get its response.
    pub(super) fn is_weak(&self, key: &IdempotencyKey) -> bool {
        match self {
            Self::Global { min_entropy_bits } => key.entropy_bits() < *min_entropy_bits,
            Self::Of(_) => false,
        }
    }

    /// The owner of a request's key; `None` in the global scope.
    pub(super) fn owner(&self, parts: &request::Parts) -> Result<Option<KeyParts>, KeyProblem> {
        match self {
            Self::Global { .. } => Ok(None),
            Self::Of(scope) => scope(parts).map(Some),
        }
    }
}
