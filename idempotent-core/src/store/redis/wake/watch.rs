//! Looking on behalf of waiters, in case no message comes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::message::Message;
use super::waiters::Lookout;
use super::{Ear, Hub, outbox};
use crate::record::Token;
use crate::store::poll::jittered;
use crate::store::{Entry, State, StoreError};

/// Waiters say again and again that they wait: others forget it after three times as long.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

/// A lapse is worth being on time for, but not a busy loop.
const SHORTEST_PAUSE: Duration = Duration::from_millis(1);

/// Looks until the reservation of that token has ended, or nobody waits for it any more.
pub(super) async fn until_ended<L, F>(hub: Arc<Hub>, lookout: Lookout, token: Token, look: L)
where
    L: Fn() -> F,
    F: Future<Output = Result<Option<Entry>, StoreError>>,
{
    let mut pause = hub.looks.first;
    let mut announced: Option<Instant> = None;
    while !lookout.is_deserted() {
        let lapse = match look().await {
            Ok(found) => match found.filter(|entry| is_running(entry, token)) {
                Some(running) => running.remaining,
                None => return,
            },
            // The store may be back before the waiters' time is up.
            Err(_) => None,
        };
        let is_due = announced.is_none_or(|announced| announced.elapsed() >= ANNOUNCE_EVERY);
        if is_due && hub.ear() != Ear::Deaf {
            announced = Some(Instant::now());
            outbox::tell(&hub, Message::Waiting(*lookout.hash()));
        }
        let lapse = lapse.unwrap_or(pause).max(SHORTEST_PAUSE);
        lookout.rest(jittered(pause).min(lapse)).await;
        pause = (pause * 2).min(hub.looks.longest);
    }
}

fn is_running(entry: &Entry, token: Token) -> bool {
    entry.state == State::Reserved && entry.record.token() == token
}
