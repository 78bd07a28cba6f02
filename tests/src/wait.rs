//! Waiting: until something holds, and for the end of another caller's reservation.

use std::time::Duration;

use idempotent_core::model::{Record, RecordId};
use idempotent_core::store::{Store, Wait};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Longer than any test runs.
pub const HOUR: Duration = Duration::from_secs(3600);

/// Far longer than anything takes that a test waits for.
pub const SOON: Duration = Duration::from_secs(10);

/// As [`SOON`], on a machine that is busy with other things, too: nothing waits it out but a failure.
const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until the condition holds, and panics unless it does within a minute.
pub async fn until(condition: impl AsyncFnMut() -> bool) {
    until_within(PATIENCE, condition).await;
}

/// Waits until the condition holds, and panics unless it does within `limit`.
pub async fn until_within(limit: Duration, mut condition: impl AsyncFnMut() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(Duration::from_millis(5)).await;
        }
    };
    if timeout(limit, holds).await.is_err() {
        panic!("what the test waits for does not come within {limit:?}");
    }
}

/// A task that waits for the end of that reservation's call.
pub fn waiter<S>(store: &S, id: &RecordId, reservation: &Record) -> JoinHandle<()>
where
    S: Store + Clone + 'static,
{
    let (store, id, token) = (store.clone(), id.clone(), reservation.token());
    tokio::spawn(async move {
        store.wait(&Wait::new(&id, token, HOUR)).await.expect("waiting never fails");
    })
}

/// Panics unless the waiter wakes within a minute.
pub async fn wakes(waiter: JoinHandle<()>) {
    timeout(PATIENCE, waiter).await.expect("it wakes").expect("it does not panic");
}
