//! The messages of one key within a turn: one after the other, up to the first that fails.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Stopping;
use crate::outbox::row::Stored;
use crate::outbox::telemetry::Telemetry;
use crate::outbox::{Message, Publish, PublishError};

/// The messages of one key, in their order.
pub(super) struct Lane(pub(super) Vec<Stored>);

/// Until when a lane goes on, and how long each message may take.
#[derive(Clone)]
pub(super) struct Limits {
    pub(super) ends: Instant,
    pub(super) deadline: Duration,
    pub(super) stopping: Stopping,
}

/// What became of a lane.
#[derive(Default)]
pub(super) struct Ended {
    /// The numbers of what was delivered.
    pub(super) delivered: Vec<i64>,
    pub(super) failed: Option<(Stored, PublishError)>,
}

impl Lane {
    pub(super) async fn deliver(self, broker: Arc<dyn Publish>, limits: Limits) -> Ended {
        let mut ended = Ended::default();
        for stored in self.0 {
            // Past its time the key may be another relay's, after a freeze of this process for instance.
            if limits.stopping.is_set() || Instant::now() >= limits.ends {
                break;
            }
            match attempt(&*broker, &stored.message, limits.deadline).await {
                Ok(()) => ended.delivered.push(stored.number),
                Err(error) => {
                    ended.failed = Some((stored, error));
                    break;
                }
            }
        }
        ended
    }
}

async fn attempt(
    broker: &dyn Publish,
    message: &Message,
    deadline: Duration,
) -> Result<(), PublishError> {
    let watch = Telemetry::attempt();
    let answered = timeout(deadline, unwound(broker.publish(message))).await;
    let result = answered.unwrap_or_else(|_| {
        Err(PublishError::unavailable(format!("no answer within {deadline:?}")))
    });
    watch.end(result.as_ref().err());
    result
}

/// A panic is that message's refusal, and does not take the other keys along.
async fn unwound(
    publishing: impl Future<Output = Result<(), PublishError>>,
) -> Result<(), PublishError> {
    let mut publishing = pin!(publishing);
    poll_fn(|cx| {
        catch_unwind(AssertUnwindSafe(|| publishing.as_mut().poll(cx)))
            .unwrap_or_else(|_| Poll::Ready(Err(PublishError::refused("the publisher panicked"))))
    })
    .await
}
