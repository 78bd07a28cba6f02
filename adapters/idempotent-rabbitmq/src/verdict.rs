//! [`RabbitMqDelivery`]: translates verdicts into the broker's verbs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use idempotent_core::async_trait;
use idempotent_core::consumer::{Message, ParkReason, Settle, SettleError, Verdict};
use lapin::Acker;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use lapin::types::ShortString;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::copies::{Original, Parking};
use crate::link::Link;
use crate::publisher::{Outgoing, PublishError, Publisher, Target};

/// How long a verdict waits for its copy to be confirmed. One that takes longer is waited for again, and not published twice until
/// the publisher gives it up.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(8);
/// What is said of a message without an id, which is parked.
pub(crate) const NO_ID: &str = "it has no id: let its producer set the property `message-id`, or name a header with `id_header`";

/// What all deliveries of a source share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) publisher: Publisher,
    pub(crate) consumer: String,
    pub(crate) queue: ShortString,
    /// Exchange and routing key.
    pub(crate) dead_letters: (ShortString, ShortString),
    pub(crate) deadline: Duration,
}

/// One delivery. Where it is dropped without having been settled, its message comes again after the deadline.
pub(crate) struct RabbitMqDelivery(pub(crate) Arc<InHand>);

pub(crate) struct InHand {
    pub(crate) shared: Arc<Shared>,
    pub(crate) link: Arc<Link>,
    pub(crate) read: Message,
    pub(crate) original: Original,
    pub(crate) acker: Acker,
    pub(crate) copy: Mutex<Copy>,
    /// How often the broker has said nothing of a copy.
    pub(crate) silences: AtomicU32,
    pub(crate) is_told: AtomicBool,
}

/// What has become of the copy that is published before the message is acknowledged.
#[derive(Default)]
pub(crate) enum Copy {
    #[default]
    None,
    Delayed(JoinHandle<Result<(), PublishError>>),
    Parked(JoinHandle<Result<(), PublishError>>),
    Confirmed,
}

impl InHand {
    /// Publishes a copy for later, and then acknowledges the message.
    async fn delay(&self, after: Duration) -> Result<(), SettleError> {
        let start = || Copy::Delayed(self.publish(Target::Delay(after), None));
        self.copied(|copy| matches!(copy, Copy::Delayed(_)), start).await?;
        self.tell(true).await
    }

    /// Publishes a copy to the dead letters, and then acknowledges the message.
    async fn park(
        &self,
        reason: ParkReason,
        error: &str,
        attempts: u32,
    ) -> Result<(), SettleError> {
        let shared = &self.shared;
        let error = match reason {
            ParkReason::InvalidKey if self.read.id().is_empty() => format!("{NO_ID} ({error})"),
            _ => error.to_owned(),
        };
        let (consumer, queue) = (shared.consumer.clone(), shared.queue.to_string());
        let why = Parking { reason, error, attempts, consumer, queue };
        let (exchange, routing_key) = shared.dead_letters.clone();
        let target = Target::Route(exchange, routing_key);
        let start = || Copy::Parked(self.publish(target, Some(&why)));
        self.copied(|copy| matches!(copy, Copy::Parked(_)), start).await?;
        self.tell(true).await
    }

    /// In a task of its own, so that a broker that confirms late is not sent a second copy.
    fn publish(
        &self,
        target: Target,
        why: Option<&Parking>,
    ) -> JoinHandle<Result<(), PublishError>> {
        let properties = match why {
            None => self.original.delayed(&self.read),
            Some(why) => self.original.parked(why),
        };
        let (shared, ending) = (Arc::clone(&self.shared), Arc::clone(&self.link.ending));
        let silences = self.silences.load(Ordering::Relaxed);
        let copy = Outgoing { target, payload: self.read.payload().clone(), properties, silences };
        tokio::spawn(async move { shared.publisher.publish(&copy, ending.ended()).await })
    }

    /// Waits until a queue has the copy, or gives the message back at once where the source has stopped before the queue would
    /// keep it. One that is under way already is not started again.
    async fn copied(
        &self,
        is_under_way: impl Fn(&Copy) -> bool,
        start: impl FnOnce() -> Copy,
    ) -> Result<(), SettleError> {
        if self.is_told.load(Ordering::Relaxed) {
            return Ok(());
        }
        // Otherwise the broker delivers the message again in any case.
        self.check_the_channel()?;
        let mut copy = self.copy.lock().await;
        if !matches!(*copy, Copy::Confirmed) && !is_under_way(&copy) {
            *copy = start();
        }
        let (Copy::Delayed(publishing) | Copy::Parked(publishing)) = &mut *copy else {
            return Ok(());
        };
        let Ok(published) = timeout(CONFIRMED_WITHIN, publishing).await else {
            return Err(SettleError::new("its copy is not confirmed yet"));
        };
        *copy = Copy::None;
        match published {
            Ok(Ok(())) => {
                *copy = Copy::Confirmed;
                Ok(())
            }
            // Another consumer has it at once, and delays it if need be.
            Ok(Err(PublishError::Young)) => self.tell(false).await,
            Ok(Err(error)) => {
                if matches!(error, PublishError::Silent) {
                    self.silences.fetch_add(1, Ordering::Relaxed);
                }
                Err(SettleError::new(error))
            }
            Err(error) => Err(SettleError::new(error)),
        }
    }

    /// Acknowledges the message, or gives it back at once. The broker does not confirm either; what is lost with the
    /// connection is delivered again.
    async fn tell(&self, acknowledges: bool) -> Result<(), SettleError> {
        if self.is_told.load(Ordering::Relaxed) {
            return Ok(());
        }
        self.check_the_channel()?;
        let told = match acknowledges {
            true => self.acker.ack(BasicAckOptions { multiple: false }).await,
            false => {
                let options = BasicNackOptions { multiple: false, requeue: true };
                self.acker.nack(options).await
            }
        };
        match told {
            // `false` is said of one whose sending was not waited for, too.
            Ok(is_sent) => {
                if !is_sent {
                    self.check_the_channel()?;
                }
                if !self.is_told.swap(true, Ordering::Relaxed) {
                    self.link.settled();
                }
                Ok(())
            }
            Err(error) => Err(SettleError::taken_back(error)),
        }
    }

    fn check_the_channel(&self) -> Result<(), SettleError> {
        match self.acker.poisoned() {
            true => Err(SettleError::taken_back("the channel of the delivery is closed")),
            false => Ok(()),
        }
    }

    /// Lets the message come again after the deadline, although nobody has it in hand any more.
    ///
    /// For as long as no copy can be published it is kept, and takes the room of another one: a queue counts what is
    /// given back, and drops it once its delivery limit is reached. Only a source that ends gives it back, once.
    async fn give_back_late(&self) {
        let deadline = self.shared.deadline;
        while let Err(error) = self.delay(deadline).await {
            if error.is_taken_back() {
                return;
            }
            if self.link.ending.has_ended() {
                let _ = self.tell(false).await;
                return;
            }
            tracing::debug!(error = &error as &dyn std::error::Error, "a message waits here");
            sleep(deadline).await;
        }
    }
}

#[async_trait]
impl Settle for RabbitMqDelivery {
    async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
        match verdict {
            Verdict::Completed => self.0.tell(true).await,
            Verdict::Busy { after } | Verdict::Retry { after } => self.0.delay(*after).await,
            Verdict::Parked { reason, error, attempts } => {
                self.0.park(*reason, error, *attempts).await
            }
            Verdict::GivenBack => {
                // Or the broker might deliver it here again.
                self.0.link.pause().await;
                self.0.tell(false).await
            }
            // Dropping the delivery lets it come again.
            _ => Ok(()),
        }
    }

    /// The broker waits for as long as the channel is open, up to its consumer timeout.
    async fn keep_alive(&self) -> Result<(), SettleError> {
        Ok(())
    }
}

impl Drop for RabbitMqDelivery {
    fn drop(&mut self) {
        if self.0.is_told.load(Ordering::Relaxed) || self.0.acker.poisoned() {
            return;
        }
        // Without a runtime the connection is at its end, too.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let in_hand = Arc::clone(&self.0);
            runtime.spawn(async move { in_hand.give_back_late().await });
        }
    }
}
