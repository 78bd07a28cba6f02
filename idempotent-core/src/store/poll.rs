//! The default of [`Store::wait`](super::Store::wait): look again, with growing pauses.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::{Entry, State, StoreError, Wait};
use crate::record::Token;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// For a timeout so long that the clock cannot express its end.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks until no reservation of `request.token` is found, or the time is over.
pub(super) async fn until_ended<L, F>(look: L, request: &Wait<'_>) -> Result<(), StoreError>
where
    L: Fn() -> F,
    F: Future<Output = Result<Option<Entry>, StoreError>>,
{
    let start = Instant::now();
    let deadline = start.checked_add(request.timeout).unwrap_or(start + LONGEST_WAIT);
    let mut pause = FIRST_PAUSE;
    loop {
        let found = look().await?;
        let running = found.as_ref().filter(|entry| {
            entry.state == State::Reserved && entry.record.token() == request.token
        });
        let now = Instant::now();
        let (Some(entry), true) = (running, now < deadline) else {
            return Ok(());
        };
        // A lapse is worth being on time for; otherwise waiters that came together spread out.
        let lapse = entry.remaining.unwrap_or(pause).max(FIRST_PAUSE);
        let next = now + jittered(pause).min(lapse);
        sleep_until(next.min(deadline)).await;
        pause = (pause * 3 / 2).min(LONGEST_PAUSE);
    }
}

/// Between half of `pause` and all of it, so that those who began to wait together spread out.
pub(super) fn jittered(pause: Duration) -> Duration {
    let random = u32::from(Token::random().as_bytes()[0]);
    pause * (256 + random) / 512
}
