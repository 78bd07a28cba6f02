//! [`EngineRef`]: the engine of a lease, in a type that this folder can name: engines are made with it.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// A handle to an engine.
pub(in crate::engine) enum EngineRef {
    Counted(Arc<dyn Any + Send + Sync>),
    Installed(&'static (dyn Any + Send + Sync)),
}

impl fmt::Debug for EngineRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EngineRef")
    }
}
