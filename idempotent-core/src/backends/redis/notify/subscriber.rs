//! Keeps up the subscription for as long as the store is in use.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use redis::RedisError;
use tokio::sync::watch;
use tokio::time::sleep;

use super::message_handler::{MessageHandler, SubscriptionStatus};
use super::subscription::Subscription;
use crate::backends::redis::error::is_unknown_command;
use crate::store::poll::jittered;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A user who may not subscribe may be given the permission later.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Subscribes, again and again, until the sender of `in_use` is dropped.
pub(super) async fn run(handler: Weak<MessageHandler>, mut in_use: watch::Receiver<()>) {
    let _ended = EndedGuard(handler.clone());
    let mut dropped = pin!(async move { while in_use.changed().await.is_ok() {} });
    let mut subscribed = pin!(subscribe_forever(handler));
    poll_fn(|cx| {
        let ended = dropped.as_mut().poll(cx).is_ready() || subscribed.as_mut().poll(cx).is_ready();
        if ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Allows another task to start when this one has ended, as it does with its runtime.
struct EndedGuard(Weak<MessageHandler>);

impl Drop for EndedGuard {
    fn drop(&mut self) {
        if let Some(handler) = self.0.upgrade() {
            handler.subscriber_ended();
        }
    }
}

async fn subscribe_forever(handler: Weak<MessageHandler>) {
    let mut pause = FIRST_PAUSE;
    loop {
        // The handler is not kept alive while this task waits for something.
        let publisher = handler.upgrade().map(|handler| Arc::clone(handler.publisher()));
        let Some(publisher) = publisher else { return };
        let (client, channel) = (Arc::clone(publisher.client()), Arc::clone(publisher.channel()));
        drop(publisher);
        let subscription = Subscription::open(&client, &channel).await;
        drop(client);
        let rest = match subscription {
            Ok(subscription) => {
                let Some(()) = pass_on(subscription, &handler).await else { return };
                pause = FIRST_PAUSE;
                jittered(pause)
            }
            Err(error) => {
                let Some(handler) = handler.upgrade() else { return };
                pause = (pause * 2).min(LONGEST_PAUSE);
                if is_refusal(&error) {
                    handler.subscription_refused(&error);
                    REFUSED_PAUSE
                } else {
                    handler.subscription_changed(SubscriptionStatus::Connecting);
                    jittered(pause)
                }
            }
        };
        sleep(rest).await;
    }
}

/// Passes messages on until the subscription is lost; `None` if the store is gone.
async fn pass_on(mut subscription: Subscription, handler: &Weak<MessageHandler>) -> Option<()> {
    handler.upgrade()?.subscription_changed(SubscriptionStatus::Subscribed);
    while let Some(message) = subscription.receive().await {
        handler.upgrade()?.handle(&message);
    }
    handler.upgrade()?.subscription_changed(SubscriptionStatus::Connecting);
    Some(())
}

/// Whether the next attempt will hardly succeed: no permission for the channel, or no such command.
fn is_refusal(error: &RedisError) -> bool {
    error.code() == Some("NOPERM") || is_unknown_command(error)
}
