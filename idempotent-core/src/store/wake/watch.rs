//! Looking on behalf of waiters, in case nothing else wakes them.

use std::future::Future;
use std::time::Duration;

use super::{Lookout, Looks};
use crate::record::Token;
use crate::store::poll::jittered;
use crate::store::{Entry, State, StoreError};

/// A lapse is worth being on time for, but not a busy loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Looks until the reservation of that token has ended, or nobody waits for it any more. Tells
/// `still_running` after each look that finds it running, or fails.
pub(in crate::store) async fn until_ended<L, F>(
    lookout: Lookout,
    token: Token,
    looks: Looks,
    look: L,
    mut still_running: impl FnMut(&Lookout),
) where
    L: Fn() -> F,
    F: Future<Output = Result<Option<Entry>, StoreError>>,
{
    let mut pause = looks.first;
    while !lookout.is_deserted() {
        let lapse = match look().await {
            Ok(found) => match found.filter(|entry| is_running(entry, token)) {
                Some(running) => running.remaining,
                None => return,
            },
            // The store may be back before the waiters' time is up.
            Err(_) => None,
        };
        still_running(&lookout);
        let lapse = lapse.unwrap_or(pause).max(SHORTEST_PAUSE);
        lookout.rest(jittered(pause).min(lapse)).await;
        pause = (pause * 2).min(looks.longest);
    }
}

fn is_running(entry: &Entry, token: Token) -> bool {
    entry.state == State::Reserved && entry.record.token() == token
}
