//! The default of [`Store::wait`](super::Store::wait): polling, with growing pauses.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::answer::Entry;
use super::error::StoreError;
use super::request::Wait;
use super::state::State;
use crate::model::{OwnerState, Token};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// The timeout instead of one that ends later than the clock can express.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Polls until there is no reservation of `request.token` any more, or the time is up.
pub(crate) async fn until_ended<L, F>(look: L, request: &Wait<'_>) -> Result<(), StoreError>
where
    L: Fn() -> F,
    F: Future<Output = Result<Option<Entry>, StoreError>>,
{
    let start = Instant::now();
    let deadline = start.checked_add(request.timeout).unwrap_or(start + LONGEST_WAIT);
    let mut pause = FIRST_PAUSE;
    loop {
        let found = look().await?;
        let running = found.as_ref().filter(|entry| is_running(entry, request.token));
        let now = Instant::now();
        let (Some(entry), true) = (running, now < deadline) else {
            return Ok(());
        };
        // Waiters should notice a lapse on time. Otherwise those that began together should spread out.
        let lapse = entry.remaining.unwrap_or(pause).max(FIRST_PAUSE);
        let next = now + jittered(pause).min(lapse);
        sleep_until(next.min(deadline)).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Whether the owner with this token still runs, as far as the store can tell.
pub(crate) fn is_running(entry: &Entry, token: Token) -> bool {
    entry.state == State::Reserved
        && entry.record.token() == token
        && entry.record.owner_state() == OwnerState::Running
}

/// A random pause between half of `pause` and all of it, so that tasks that began together spread out.
pub(crate) fn jittered(pause: Duration) -> Duration {
    let random = u32::from(Token::random().as_bytes()[0]);
    pause * (256 + random) / 512
}
