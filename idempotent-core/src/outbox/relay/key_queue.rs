//! The messages of one key in a batch: published one after the other, up to the first that fails.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::lost_topics::LostTopics;
use super::stop_flag::StopFlag;
use crate::outbox::message_row::MessageRow;
use crate::outbox::telemetry::Telemetry;
use crate::outbox::{Message, Publish, PublishError};

/// The messages of one key, in their order.
pub(super) struct KeyQueue(pub(super) Vec<MessageRow>);

/// When to begin no further message, and how long each may take.
#[derive(Clone)]
pub(super) struct DeliveryLimits {
    pub(super) end: Instant,
    pub(super) message_timeout: Duration,
    pub(super) stopping: StopFlag,
    pub(super) lost_topics: Arc<LostTopics>,
}

/// What became of the messages of one key.
#[derive(Default)]
pub(super) struct KeyOutcome {
    /// The numbers of the messages that were delivered.
    pub(super) delivered: Vec<i64>,
    pub(super) failed: Option<(MessageRow, PublishError)>,
}

impl KeyQueue {
    pub(super) async fn deliver(
        self,
        broker: Arc<dyn Publish>,
        limits: DeliveryLimits,
    ) -> KeyOutcome {
        let mut outcome = KeyOutcome::default();
        for row in self.0 {
            // By then another relay may have the key, if this process was frozen for instance.
            if limits.stopping.is_set() || Instant::now() >= limits.end {
                break;
            }
            match attempt(&*broker, &row.message, limits.message_timeout).await {
                Ok(()) => {
                    limits.lost_topics.found(&row.message.topic);
                    outcome.delivered.push(row.number);
                }
                Err(error) => {
                    outcome.failed = Some((row, error));
                    break;
                }
            }
        }
        outcome
    }
}

async fn attempt(
    broker: &dyn Publish,
    message: &Message,
    limit: Duration,
) -> Result<(), PublishError> {
    // It may have come into the table without a draft.
    message.validate().map_err(PublishError::poison)?;
    let timer = Telemetry::attempt();
    let answer = timeout(limit, catch_panic(broker.publish(message))).await;
    let result = answer
        .unwrap_or_else(|_| Err(PublishError::unavailable(format!("no answer within {limit:?}"))));
    timer.end(result.as_ref().err());
    result
}

/// A panic counts as a refusal of the message, and does not affect other keys.
async fn catch_panic(
    publishing: impl Future<Output = Result<(), PublishError>>,
) -> Result<(), PublishError> {
    let mut publishing = pin!(publishing);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| publishing.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(PublishError::refused("the publisher panicked"))))
    })
    .await
}
