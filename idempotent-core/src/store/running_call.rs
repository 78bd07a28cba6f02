//! [`RunningCall`]: whether a call in its caller's transaction may still run.

use std::sync::{Arc, Weak};

/// A call in its caller's transaction, from before its reservation until it has ended or was dropped.
///
/// A database that may end a transaction by itself uses it to refuse every commit until then: the body's later
/// statements would otherwise be committed one by one, without a record.
///
/// ```
/// use idempotent_core::store::RunningCall;
///
/// let running = RunningCall::default();
/// let watch = running.watch();
/// assert!(!watch.has_ended());
/// drop(running);
/// assert!(watch.has_ended());
/// ```
#[derive(Debug, Default)]
pub struct RunningCall(Arc<()>);

/// Tells whether a [`RunningCall`] has ended.
#[derive(Clone, Debug)]
pub struct RunningCallWatch(Weak<()>);

impl RunningCall {
    /// Watches the call, without prolonging it.
    #[must_use]
    pub fn watch(&self) -> RunningCallWatch {
        RunningCallWatch(Arc::downgrade(&self.0))
    }
}

impl RunningCallWatch {
    /// Whether the call has ended or was dropped.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.0.strong_count() == 0
    }
}
