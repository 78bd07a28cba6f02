//! The first connection of a store that was not waited for: a task makes it, again and again until it succeeds, and
//! whoever calls the store before waits for the attempt that runs.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use crate::store::poll::jittered;
use crate::store::{StoreError, StoreErrorKind};

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A store that has to connect before it can be used.
pub(in crate::backends) trait Connects: Send + Sync + 'static {
    fn first_connection(&self) -> &FirstConnection;

    /// Connects, and checks or prepares what the store needs: in one attempt, which has a limit of its own.
    fn prepare(&self) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// Whether a store has connected, and why not.
#[derive(Debug)]
pub(in crate::backends) struct FirstConnection {
    is_made: AtomicBool,
    is_being_made: Arc<AtomicBool>,
    /// Why the last attempt failed; `None` before its end.
    failure: watch::Sender<Option<StoreError>>,
}

/// Held by the task that connects. Dropped with it, also when its runtime shuts down.
struct Making(Arc<AtomicBool>);

impl FirstConnection {
    pub(in crate::backends) fn new() -> Self {
        let failure = watch::Sender::new(None);
        Self { is_made: AtomicBool::new(false), is_being_made: Arc::default(), failure }
    }

    pub(in crate::backends) fn is_made(&self) -> bool {
        self.is_made.load(Ordering::Acquire)
    }

    /// The store may be used from now on.
    pub(in crate::backends) fn made(&self) {
        self.is_made.store(true, Ordering::Release);
        self.failure.send_replace(None);
    }

    /// Waits for the attempt that runs, if it is the first one. After that, its failure is the answer until another
    /// one succeeds.
    pub(in crate::backends) async fn wait(&self, limit: Duration) -> Result<(), StoreError> {
        let mut failure = self.failure.subscribe();
        let ended = failure.wait_for(|failure| failure.is_some() || self.is_made());
        match timeout(limit, ended).await {
            Ok(Ok(failure)) => failure.as_ref().map_or(Ok(()), |failure| Err(failure.duplicate())),
            Ok(Err(_)) | Err(_) => {
                Err(StoreError::new(StoreErrorKind::Timeout, "it is still being connected to"))
            }
        }
    }
}

/// The task that connects a store; `None` if there is one, or if it is connected.
pub(in crate::backends) fn connecting<S: Connects>(
    store: &Arc<S>,
) -> Option<impl Future<Output = ()> + Send + 'static> {
    let first = store.first_connection();
    if first.is_made() || first.is_being_made.swap(true, Ordering::AcqRel) {
        return None;
    }
    let making = Making(Arc::clone(&first.is_being_made));
    let store = Arc::downgrade(store);
    Some(async move {
        let _making = making;
        connect(store).await;
    })
}

/// Connects until it succeeds, or the store is dropped.
async fn connect<S: Connects>(store: Weak<S>) {
    let mut pause = FIRST_PAUSE;
    let mut has_warned = false;
    loop {
        let Some(connecting) = store.upgrade() else { return };
        let Err(error) = connecting.prepare().await else {
            connecting.first_connection().made();
            tracing::info!("the store has connected");
            return;
        };
        note(&error, has_warned);
        has_warned = true;
        connecting.first_connection().failure.send_replace(Some(error));
        drop(connecting);
        sleep(jittered(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Connects in one attempt.
pub(in crate::backends) async fn connect_once<S: Connects>(store: &S) -> Result<(), StoreError> {
    store.prepare().await?;
    store.first_connection().made();
    Ok(())
}

/// Connects until it succeeds, or the time is up; then the last failure is the answer.
pub(in crate::backends) async fn connect_within<S: Connects>(
    store: &S,
    limit: Duration,
) -> Result<(), StoreError> {
    let now = Instant::now();
    let deadline =
        now.checked_add(limit).unwrap_or_else(|| now + Duration::from_secs(86_400 * 365));
    let mut pause = FIRST_PAUSE;
    let mut failure: Option<StoreError> = None;
    loop {
        match timeout_at(deadline, connect_once(store)).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => {
                note(&error, failure.is_some());
                failure = Some(error);
            }
            Err(_) => {
                let message = "it could not be connected to in time";
                return Err(
                    failure.unwrap_or_else(|| StoreError::new(StoreErrorKind::Timeout, message))
                );
            }
        }
        let next = Instant::now() + jittered(pause);
        if next >= deadline {
            if let Some(failure) = failure.take() {
                return Err(failure);
            }
        }
        tokio::time::sleep_until(next).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// The first failure is news.
fn note(error: &StoreError, is_known: bool) {
    if is_known {
        tracing::debug!(%error, "the store cannot connect yet, will retry");
    } else {
        tracing::warn!(%error, "the store cannot connect yet, will retry");
    }
}

/// The error without a tokio runtime, which a store that connects later needs at once.
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(in crate::backends) fn no_runtime() -> StoreError {
    let message = "a store must be made inside a tokio runtime, and there is none";
    StoreError::new(StoreErrorKind::Unavailable, message).without_answer()
}

impl Drop for Making {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
