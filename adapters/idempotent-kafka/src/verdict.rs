//! [`KafkaDelivery`]: what a verdict does.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use idempotent_core::async_trait;
use idempotent_core::consumer::{Settle, SettleError, SourceError, Verdict};
use rdkafka::error::KafkaError;
use rdkafka::message::OwnedHeaders;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::copies::{self, Parking};
use crate::group::Group;
use crate::publisher::Publisher;
use crate::received::Received;
use crate::state::{Handle, Revoked, Stage};

/// How long a copy may take to be confirmed. One that takes longer is waited for again, and not produced twice.
const CONFIRMED_WITHIN: Duration = Duration::from_secs(5);

/// What all deliveries of a source share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) group: Arc<Group>,
    pub(crate) publisher: Publisher,
    pub(crate) consumer: String,
    pub(crate) dead_letters: String,
    pub(crate) retry_topic: Option<String>,
    pub(crate) deadline: Duration,
}

/// One delivery. Where it is dropped without having been settled, its message comes again after the deadline.
pub(crate) struct KafkaDelivery {
    shared: Arc<Shared>,
    handle: Handle,
    received: Arc<Received>,
    copy: Mutex<Copy>,
    is_told: AtomicBool,
}

type Producing = JoinHandle<Result<(), KafkaError>>;

/// What has become of the copy that is produced before the message is done with.
#[derive(Default)]
enum Copy {
    #[default]
    None,
    Retried(Producing),
    Parked(Producing),
    Confirmed,
}

impl KafkaDelivery {
    pub(crate) fn new(shared: Arc<Shared>, handle: Handle, received: Arc<Received>) -> Self {
        let (copy, is_told) = (Mutex::default(), AtomicBool::new(false));
        Self { shared, handle, received, copy, is_told }
    }

    /// The message is done with: the offset may be committed once all before it are, too.
    async fn finish(&self) -> Result<(), SettleError> {
        let group = &self.shared.group;
        group.finish(&self.handle).map_err(|Revoked| revoked())?;
        self.is_told.store(true, Ordering::Relaxed);
        if group.stage() == Stage::Stopping {
            group.flushed(&self.handle).await;
        }
        Ok(())
    }

    /// The message stays here, and comes again after this long.
    async fn hold(&self, after: Duration) -> Result<(), SettleError> {
        let group = &self.shared.group;
        group.hold(&self.handle, after).map_err(|Revoked| revoked())?;
        self.is_told.store(true, Ordering::Relaxed);
        if group.stage() == Stage::Stopping {
            group.left().await;
        }
        Ok(())
    }

    async fn retry(&self, after: Duration) -> Result<(), SettleError> {
        let Some(topic) = &self.shared.retry_topic else { return self.hold(after).await };
        let headers = || copies::retried(&self.received, after);
        self.copied(topic, Copy::Retried, |copy| matches!(copy, Copy::Retried(_)), headers).await?;
        self.finish().await
    }

    async fn park(&self, why: Parking<'_>) -> Result<(), SettleError> {
        let topic = &self.shared.dead_letters;
        let headers = || copies::parked(&self.received, &why);
        self.copied(topic, Copy::Parked, |copy| matches!(copy, Copy::Parked(_)), headers).await?;
        self.finish().await
    }

    /// Waits until the broker has the copy. One that is under way already is not started again.
    async fn copied(
        &self,
        topic: &str,
        under_way: impl FnOnce(Producing) -> Copy,
        is_under_way: impl FnOnce(&Copy) -> bool,
        headers: impl FnOnce() -> OwnedHeaders,
    ) -> Result<(), SettleError> {
        // Otherwise the message is another worker's, copy or not.
        self.shared.group.check(&self.handle).map_err(|Revoked| revoked())?;
        let mut copy = self.copy.lock().await;
        if !matches!(*copy, Copy::Confirmed) && !is_under_way(&copy) {
            *copy = under_way(self.produce(topic.to_owned(), headers()));
        }
        let (Copy::Retried(producing) | Copy::Parked(producing)) = &mut *copy else {
            return Ok(());
        };
        let Ok(produced) = timeout(CONFIRMED_WITHIN, producing).await else {
            return Err(SettleError::new("its copy is not confirmed yet"));
        };
        *copy = Copy::None;
        match produced {
            Ok(Ok(())) => {
                *copy = Copy::Confirmed;
                Ok(())
            }
            Ok(Err(error)) => Err(SettleError::new(error)),
            Err(error) => Err(SettleError::new(error)),
        }
    }

    /// In a task of its own, so that a broker that confirms late is not sent a second copy: the message is done with then,
    /// though nobody may wait for that any more.
    fn produce(&self, topic: String, headers: OwnedHeaders) -> Producing {
        let (shared, received) = (Arc::clone(&self.shared), Arc::clone(&self.received));
        let handle = self.handle.clone();
        tokio::spawn(async move {
            let published = shared.publisher.publish(&topic, &received, headers).await;
            match (&published, shared.publisher.fatal_error()) {
                // Where its partition was revoked meanwhile, the message comes again elsewhere.
                (Ok(()), _) => drop(shared.group.finish(&handle)),
                (Err(_), Some(error)) => shared.group.fail(SourceError::gone(error)),
                (Err(_), None) => {}
            }
            published
        })
    }
}

fn revoked() -> SettleError {
    SettleError::taken_back("its partition was revoked")
}

#[async_trait]
impl Settle for KafkaDelivery {
    async fn settle(&self, verdict: &Verdict) -> Result<(), SettleError> {
        if self.is_told.load(Ordering::Relaxed) {
            return Ok(());
        }
        match verdict {
            Verdict::Completed => self.finish().await,
            Verdict::Busy { after } => self.hold(*after).await,
            Verdict::Retry { after } => self.retry(*after).await,
            Verdict::Parked { reason, error, attempts } => {
                let (reason, attempts) = (*reason, *attempts);
                let consumer = &self.shared.consumer;
                self.park(Parking { reason, error, attempts, consumer }).await
            }
            Verdict::GivenBack => self.hold(Duration::ZERO).await,
            // Dropping the delivery lets it come again.
            _ => Ok(()),
        }
    }

    /// The group waits for as long as the member polls, which is not this delivery's business.
    async fn keep_alive(&self) -> Result<(), SettleError> {
        Ok(())
    }
}

impl Drop for KafkaDelivery {
    fn drop(&mut self) {
        if !self.is_told.load(Ordering::Relaxed) {
            let _ = self.shared.group.hold(&self.handle, self.shared.deadline);
        }
    }
}
