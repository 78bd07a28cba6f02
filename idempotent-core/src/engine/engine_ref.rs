//! From an engine to the reference that a lease keeps, and back.

use std::sync::Arc;

use super::idempotency::{Engine, Handle, Idempotency};
use super::lease::EngineRef;

impl Idempotency {
    #[inline]
    pub(in crate::engine) fn to_ref(&self) -> EngineRef {
        match &self.0 {
            Handle::Counted(engine) => EngineRef::Counted(Arc::clone(engine) as _),
            Handle::Installed(engine) => EngineRef::Installed(*engine),
        }
    }

    pub(in crate::engine) fn from_ref(engine: &EngineRef) -> Option<Self> {
        match engine {
            EngineRef::Counted(engine) => {
                let engine = Arc::clone(engine).downcast::<Engine>().ok()?;
                Some(Self(Handle::Counted(engine)))
            }
            EngineRef::Installed(engine) => {
                Some(Self(Handle::Installed(engine.downcast_ref::<Engine>()?)))
            }
        }
    }
}
