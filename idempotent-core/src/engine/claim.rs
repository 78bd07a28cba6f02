//! [`Claim`]: a call that a recovery has taken, on its way to the code that runs it.
//!
//! It is in a task-local while the recovery's closure is polled. The call that the closure makes takes it in the place of
//! a reservation of its own, and only if that is the call that was taken.

use std::future::Future;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::RecordId;
use crate::store::Written;

tokio::task_local! {
    static CLAIM: Arc<Claim>;
}

/// Whether any recovery has ever run here. Where none has, a call pays no more than this look.
static IS_USED: AtomicBool = AtomicBool::new(false);

const ANOTHER: &str = "the closure of a recovery has called another call than the one that is to be resumed: it must \
                       derive the same key, scope and name from the input, and use the same engine";

/// A call that a recovery has taken.
pub(in crate::engine) struct Claim {
    engine: Idempotency,
    id: RecordId,
    stage: Mutex<Stage>,
    /// Set if this process cannot go on with the call, though another version may.
    is_left: AtomicBool,
}

/// What has become of it.
pub(in crate::engine) enum Stage {
    /// Nobody has asked for it.
    Untouched(Written),
    /// The closure has called another call.
    Misled(Written),
    /// Its call was refused before its body.
    Refused(Written, ErrorKind, String),
    /// Its call runs, or has ended.
    Taken,
}

impl Claim {
    pub(in crate::engine) fn new(engine: &Idempotency, id: &RecordId, written: Written) -> Self {
        let stage = Mutex::new(Stage::Untouched(written));
        let (engine, id) = (engine.clone(), id.clone());
        Self { engine, id, stage, is_left: AtomicBool::new(false) }
    }

    /// Runs a future whose first call takes it.
    pub(in crate::engine) fn scope<F: Future>(
        self: &Arc<Self>,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F> {
        IS_USED.store(true, Ordering::Relaxed);
        CLAIM.scope(Arc::clone(self), future)
    }

    /// That of the task, if it runs for a recovery.
    #[inline]
    pub(in crate::engine) fn current() -> Option<Arc<Self>> {
        if IS_USED.load(Ordering::Relaxed) { CLAIM.try_with(Arc::clone).ok() } else { None }
    }

    /// Takes it for the call of this id on this engine; `None` if it was taken, and so this is a call that its body makes.
    pub(in crate::engine) fn take(
        &self,
        engine: &Idempotency,
        id: &RecordId,
    ) -> Result<Option<Written>, &'static str> {
        let is_own = *id == self.id && std::ptr::eq(&*engine.0, &*self.engine.0);
        let mut stage = self.stage();
        let (next, answer) = match mem::replace(&mut *stage, Stage::Taken) {
            Stage::Taken => (Stage::Taken, Ok(None)),
            Stage::Untouched(written) | Stage::Misled(written) | Stage::Refused(written, ..) => {
                if is_own {
                    (Stage::Taken, Ok(Some(written)))
                } else {
                    (Stage::Misled(written), Err(ANOTHER))
                }
            }
        };
        *stage = next;
        answer
    }

    /// Gives it back: the call was refused.
    pub(in crate::engine) fn give_back(&self, written: Written, refusal: &Error) {
        *self.stage() = Stage::Refused(written, refusal.kind(), refusal.to_string());
    }

    /// Notes that this process cannot go on with the call.
    pub(in crate::engine) fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    pub(in crate::engine) fn is_left(&self) -> bool {
        self.is_left.load(Ordering::Relaxed)
    }

    /// What has become of it in the end.
    pub(in crate::engine) fn finish(&self) -> Stage {
        mem::replace(&mut *self.stage(), Stage::Taken)
    }

    fn stage(&self) -> MutexGuard<'_, Stage> {
        self.stage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What is written of a call whose closure has called another one.
pub(in crate::engine) const fn misled() -> &'static str {
    ANOTHER
}
