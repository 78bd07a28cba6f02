//! Telling the broker, until it confirms.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::context::{Context, Stage};
use super::delivery::Delivery;
use super::keep_alive::Kept;
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
    /// message cannot have been delivered again, and what is told to be delivered again is not kept alive meanwhile.
    pub(super) async fn tell(
        &self,
        delivery: &Delivery,
        verdict: Verdict,
        mut kept: Option<Kept>,
    ) -> (Verdict, bool) {
        if verdict == Verdict::Left {
            return (verdict, true);
        }
        let deadline = delivery.deadline().unwrap_or(PATIENCE);
        let (mut verdict, mut tries) = (verdict, 0);
        let (mut start, mut limit) = (Instant::now(), patience(&verdict, deadline));
        let mut pause = first_pause(limit);
        loop {
            // Within the time that it is repeated for: a message was kept alive last before this.
            if let Some(kept) = kept.take_if(|_| !verdict.is_final()) {
                kept.stop().await;
            }
            let told = match verdict {
                Verdict::Completed => self.confirming.acknowledge(delivery).await,
                _ => delivery.settle(&verdict).await,
            };
            let error = match told {
                Ok(()) => return (verdict, true),
                Err(error) => error,
            };
            self.telemetry.not_confirmed(delivery.message(), &verdict, &error);
            tries += 1;
            let is_parked = matches!(verdict, Verdict::Parked { .. });
            if error.is_taken_back() || start.elapsed() >= limit || self.has_reached(Stage::Halted)
            {
                return (verdict, false);
            }
            if is_parked && tries >= TRIES_TO_PARK {
                // Its attempts stay used up, so it is parked once the broker takes it.
                let after = self.settings.attempts.longest_pause();
                (verdict, tries) = (Verdict::Retry { after }, 0);
                (start, limit) = (Instant::now(), patience(&verdict, deadline));
                pause = first_pause(limit);
                continue;
            }
            sleep(pause).await;
            // Again, since this process may have been frozen.
            if start.elapsed() >= limit {
                return (verdict, false);
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// Short enough for some tries.
fn first_pause(patience: Duration) -> Duration {
    FIRST_PAUSE.min(patience / 4)
}

/// For how long a verdict is repeated. The broker's deadline counts from when the message was last kept alive, which may
/// be a third of it ago.
fn patience(verdict: &Verdict, deadline: Duration) -> Duration {
    match verdict {
        Verdict::Completed | Verdict::Parked { .. } => deadline * 2,
        Verdict::Busy { after } | Verdict::Retry { after } => (deadline / 3 * 2).min(*after),
        Verdict::GivenBack | Verdict::Left => Duration::ZERO,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "moka")]
    mod telling {
        use std::sync::Arc;
        use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

        use async_trait::async_trait;
        use tokio::sync::Semaphore;
        use tokio::time::timeout;

        use super::*;
        use crate::backends::MemoryStore;
        use crate::consumer::telemetry::Telemetry;
        use crate::consumer::{Consumer, Message, ParkReason, Settle, SettleError, Terms};
        use crate::engine::Idempotency;

        fn context() -> Context {
            let engine = Idempotency::new(MemoryStore::new());
            let consumer = Consumer::builder("shop.ship", &engine)
                .handler(|_: String| async { Ok::<_, String>(()) });
            let telemetry = Telemetry::new("shop.ship", Terms::new("test", "orders"));
            Context::new(consumer.settings, Duration::from_secs(1), telemetry)
        }

        /// A delivery that its broker has taken back, and how often it was told.
        struct TakenBack(Arc<AtomicU32>);

        #[async_trait]
        impl Settle for TakenBack {
            async fn settle(&self, _: &Verdict) -> Result<(), SettleError> {
                self.0.fetch_add(1, Ordering::Relaxed);
                Err(SettleError::taken_back("its channel is closed"))
            }

            async fn keep_alive(&self) -> Result<(), SettleError> {
                Ok(())
            }
        }

        #[tokio::test(start_paused = true)]
        async fn a_delivery_that_is_taken_back_is_told_once() {
            let context = context();
            let confirming = tokio::spawn(Arc::clone(&context.confirming).run());
            for verdict in [
                Verdict::Completed,
                Verdict::Retry { after: Duration::from_secs(60) },
                Verdict::parked(ParkReason::Permanent, "it is no good"),
            ] {
                let told = Arc::new(AtomicU32::new(0));
                let delivery =
                    Delivery::new(Message::new("7", "orders", ""), TakenBack(Arc::clone(&told)));
                assert_eq!(context.tell(&delivery, verdict.clone(), None).await, (verdict, false));
                assert_eq!(told.load(Ordering::Relaxed), 1);
            }
            confirming.abort();
        }

        /// A delivery whose broker is slow to hear that it is in hand, and takes no final verdict.
        #[derive(Clone, Default)]
        struct Slow(Arc<Heard>);

        struct Heard {
            may_keep_alive: Semaphore,
            is_kept_alive: AtomicBool,
            is_told: AtomicBool,
        }

        impl Default for Heard {
            fn default() -> Self {
                let no = || AtomicBool::new(false);
                Self { may_keep_alive: Semaphore::new(0), is_kept_alive: no(), is_told: no() }
            }
        }

        #[async_trait]
        impl Settle for Slow {
            async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
                if verdict.is_final() {
                    return Err(SettleError::new("there is no room for dead letters"));
                }
                self.0.is_told.store(true, Ordering::Relaxed);
                Ok(())
            }

            async fn keep_alive(&self) -> Result<(), SettleError> {
                self.0.may_keep_alive.acquire().await.unwrap().forget();
                assert!(!self.0.is_told.load(Ordering::Relaxed), "what it was told is undone");
                self.0.is_kept_alive.store(true, Ordering::Relaxed);
                Ok(())
            }
        }

        #[tokio::test(start_paused = true)]
        async fn what_is_to_come_again_is_told_once_nothing_that_keeps_it_alive_is_under_way() {
            let second = Duration::from_secs(1);
            for verdict in [
                Verdict::Retry { after: second * 60 },
                Verdict::GivenBack,
                // It is retried after some tries.
                Verdict::parked(ParkReason::Permanent, "it is no good"),
            ] {
                let (context, slow) = (context(), Slow::default());
                let keeping = tokio::spawn(Arc::clone(&context.keep_alive).run());
                let delivery = Delivery::new(Message::new("7", "orders", ""), slow.clone());
                let delivery = delivery.with_deadline(second * 60);
                let kept = context.keep_alive.keep(&delivery);
                sleep(second * 21).await;
                let mut telling = std::pin::pin!(context.tell(&delivery, verdict, kept));
                assert!(timeout(second * 10, &mut telling).await.is_err(), "it is told too soon");
                slow.0.may_keep_alive.add_permits(1);
                let (_, confirmed) = telling.await;
                assert!(confirmed && slow.0.is_kept_alive.load(Ordering::Relaxed));
                // Nothing follows.
                slow.0.may_keep_alive.add_permits(1);
                sleep(second * 60).await;
                assert_eq!(slow.0.may_keep_alive.available_permits(), 1);
                keeping.abort();
            }
        }
    }

    #[test]
    fn what_must_not_hit_the_next_delivery_is_repeated_for_less_than_the_deadline() {
        let [second, minute] = [1, 60].map(Duration::from_secs);
        assert_eq!(patience(&Verdict::Completed, minute), minute * 2);
        assert_eq!(patience(&Verdict::Retry { after: minute }, minute), second * 40);
        assert_eq!(patience(&Verdict::Busy { after: second }, minute), second);
        assert_eq!(patience(&Verdict::GivenBack, minute), Duration::ZERO);
    }
}
