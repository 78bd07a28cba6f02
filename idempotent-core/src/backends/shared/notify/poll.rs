//! Polls the store on behalf of waiters, in case nothing else wakes them.

use std::future::Future;
use std::time::Duration;

use super::poll_pauses::PollPauses;
use super::waiters::Poller;
use crate::model::Token;
use crate::store::poll::{is_running, jittered};
use crate::store::{Entry, StoreError};

/// Waiters should notice a lapse on time, but not spin.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Polls until the reservation of that token has ended, or nobody waits for it any more. Calls
/// `still_running` after each look that finds it running, and after each that fails.
pub(in crate::backends) async fn poll_until_ended<L, F>(
    poller: Poller,
    token: Token,
    pauses: PollPauses,
    load: L,
    mut still_running: impl FnMut(&Poller),
) where
    L: Fn() -> F,
    F: Future<Output = Result<Option<Entry>, StoreError>>,
{
    let mut pause = pauses.first;
    while !poller.is_deserted() {
        let lapse = match load().await {
            Ok(found) => match found.filter(|entry| is_running(entry, token)) {
                Some(running) => running.remaining,
                None => return,
            },
            // The store may be back before the waiters' time is up.
            Err(_) => None,
        };
        still_running(&poller);
        let lapse = lapse.unwrap_or(pause).max(SHORTEST_PAUSE);
        poller.rest(jittered(pause).min(lapse)).await;
        pause = (pause * 2).min(pauses.longest);
    }
}
