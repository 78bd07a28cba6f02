//! How long one of the two stores is waited for, where the other one can do without it.
//!
//! Each store has a limit of its own for its answers, and the engine has one for both together. Without these, a store that
//! does not answer would use up the engine's, and the other one would not be asked.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::store::{Store, StoreError};

/// What the stores are called where they have no name.
pub(super) const OLD_STORE: &str = "the old store";
pub(super) const NEW_STORE: &str = "the new store";

/// The share of a lease that a reservation or a look may wait for the store that is asked second.
const SECOND_SHARE: u32 = 6;
const LONGEST_SECOND: Duration = Duration::from_secs(2);

/// The share of a lease that the end of a call may wait for the store that does not decide.
const END_SHARE: u32 = 12;
const LONGEST_END: Duration = Duration::from_secs(1);

/// How long a renewal waits for the store that does not decide, once the other one has answered. An engine has a limited
/// number of renewals on their way at a time: if each of them waited for long, the leases behind them would lapse.
pub(super) const AFTER_RENEWAL: Duration = Duration::from_millis(100);

/// The share of a lease that a result may wait for the old store, before it is written to the new one.
const RESULT_SHARE: u32 = 6;
const LONGEST_RESULT: Duration = Duration::from_secs(2);

const SHORTEST: Duration = Duration::from_millis(1);

/// An answer of the store that is asked second, when a call is to run or is refused. It is shorter than the engine's limit
/// for both stores, so that the engine is told which of them was away.
///
/// Its outage is none for the engine's circuit. That is about the store that is asked first, which has answered: what it
/// can answer alone is answered while the other one is away.
pub(super) async fn from_second<T>(
    (store, role): (&impl Store, &str),
    lease: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let limit = (lease / SECOND_SHARE).clamp(SHORTEST, LONGEST_SECOND);
    let of_second =
        |error: StoreError| if error.is_outage() { error.without_outage() } else { error };
    within(limit, (store, role), call).await.map_err(of_second)
}

/// An answer that comes within the limit. The error names the store: the engine knows only both together.
pub(super) async fn within<T>(
    limit: Duration,
    (store, role): (&impl Store, &str),
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let answer = timeout(limit, call).await.unwrap_or_else(|_| Err(StoreError::timed_out()));
    answer.map_err(|error| error.at(store.server().unwrap_or(role)))
}

/// For the store that does not decide, at the end of a call.
pub(super) fn end_limit(lease: Duration) -> Duration {
    (lease / END_SHARE).clamp(SHORTEST, LONGEST_END)
}

/// For the old store, at the end of a call.
pub(super) fn result_limit(lease: Duration) -> Duration {
    (lease / RESULT_SHARE).clamp(SHORTEST, LONGEST_RESULT)
}
