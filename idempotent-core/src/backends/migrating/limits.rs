//! How long one of the two stores is waited for, where the other one can do without it.
//!
//! Each store has a limit of its own for its answers, and the engine has one for both together. Without these, a store that
//! does not answer would use up the engine's, and the other one would not be asked.

use std::future::Future;
use std::time::Duration;

use tokio::time::timeout;

use crate::store::StoreError;

/// The share of a lease that a reservation or a look may wait for the store that is asked second.
const SECOND_SHARE: u32 = 6;
const LONGEST_SECOND: Duration = Duration::from_secs(2);

/// The share of a lease that a renewal, a release or an abandonment may wait for the store that does not decide.
const RENEWAL_SHARE: u32 = 12;
const LONGEST_RENEWAL: Duration = Duration::from_secs(1);

/// The share of a lease that a result may wait for the old store, before it is written to the new one.
const RESULT_SHARE: u32 = 6;
const LONGEST_RESULT: Duration = Duration::from_secs(2);

const SHORTEST: Duration = Duration::from_millis(1);

/// An answer of the store that is asked second, when a call is to run or is refused. It is shorter than the engine's limit
/// for both stores, so that the engine is told which of them was away.
pub(super) async fn from_second<T>(
    lease: Duration,
    call: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    let limit = (lease / SECOND_SHARE).clamp(SHORTEST, LONGEST_SECOND);
    let answer = timeout(limit, call).await;
    answer.unwrap_or_else(|_| Err(StoreError::timed_out())).map_err(of_second)
}

/// An error of the store that is asked second, for the engine's circuit. That is about the store that is asked first: what
/// that one can answer alone is answered while the other one is away.
fn of_second(error: StoreError) -> StoreError {
    if error.is_outage() { error.without_answer() } else { error }
}

/// For the store that does not decide.
pub(super) fn renewal_limit(lease: Duration) -> Duration {
    (lease / RENEWAL_SHARE).clamp(SHORTEST, LONGEST_RENEWAL)
}

/// For the old store, at the end of a call.
pub(super) fn result_limit(lease: Duration) -> Duration {
    (lease / RESULT_SHARE).clamp(SHORTEST, LONGEST_RESULT)
}
