//! Telling the broker, until it confirms.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::context::{Context, Stage};
use super::delivery::Delivery;
use super::verdict::Verdict;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// For how long it is tried where the broker has no deadline.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often a message is tried to be parked before it is delivered again, and so makes room for others.
const TRIES_TO_PARK: u32 = 5;

impl Context {
    /// Tells the broker, and returns what it was told and whether it has confirmed.
    ///
    /// An acknowledgement is repeated, since the store says that the message is completed, and that does no harm
    /// whoever's delivery it is; so is a message that has been copied. All others are repeated only as long as the
    /// message cannot have been delivered again.
    pub(super) async fn tell(&self, delivery: &Delivery, verdict: Verdict) -> (Verdict, bool) {
        if verdict == Verdict::Left {
            return (verdict, true);
        }
        let patience = patience(&verdict, delivery.deadline().unwrap_or(PATIENCE));
        let (start, mut pause, mut tries) = (Instant::now(), FIRST_PAUSE, 0);
        let mut verdict = verdict;
        loop {
            let error = match delivery.settle(&verdict).await {
                Ok(()) => return (verdict, true),
                Err(error) => error,
            };
            self.telemetry.not_confirmed(delivery.message(), &verdict, &error);
            tries += 1;
            let is_parked = matches!(verdict, Verdict::Parked { .. });
            if start.elapsed() >= patience || self.has_reached(Stage::Halted) {
                return (verdict, false);
            }
            if is_parked && tries >= TRIES_TO_PARK {
                // Its attempts stay used up, so it is parked once the broker takes it.
                let after = self.settings.attempts.longest_pause();
                (verdict, tries) = (Verdict::Retry { after }, 0);
                continue;
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// For how long a verdict is repeated.
fn patience(verdict: &Verdict, deadline: Duration) -> Duration {
    match verdict {
        Verdict::Completed | Verdict::Parked { .. } => deadline * 2,
        Verdict::Busy { after } | Verdict::Retry { after } => deadline.min(*after),
        Verdict::GivenBack | Verdict::Left => Duration::ZERO,
    }
}
