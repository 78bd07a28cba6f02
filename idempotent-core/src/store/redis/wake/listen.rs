//! The subscription: one connection of its own, made anew when it is lost, for as long as the store
//! is in use.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, PushInfo, PushKind, RedisError, RedisResult, Value};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::{Ear, Hub};
use crate::store::poll::jittered;
use crate::store::redis::error::{is_unknown, timed_out};
use crate::store::redis::link::Link;

/// How long nothing is heard before the subscription is made sure of.
const SILENCE: Duration = Duration::from_secs(5);

/// How long subscribing may take, once connected.
const PATIENCE: Duration = Duration::from_secs(2);

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A user who may not subscribe may be given the right.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);

/// Listens until the hub is dropped.
pub(super) async fn run(hub: Weak<Hub>, mut in_use: watch::Receiver<()>) {
    let _over = Over(hub.clone());
    let mut dropped = pin!(async move { while in_use.changed().await.is_ok() {} });
    let mut listening = pin!(listen(hub));
    poll_fn(|cx| {
        let over = dropped.as_mut().poll(cx).is_ready() || listening.as_mut().poll(cx).is_ready();
        if over { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Lets another task listen when this one has ended, its runtime with it.
struct Over(Weak<Hub>);

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(hub) = self.0.upgrade() {
            hub.nobody_listens();
        }
    }
}

async fn listen(hub: Weak<Hub>) {
    let mut pause = FIRST_PAUSE;
    loop {
        // The hub itself is not kept while something is waited for.
        let Some((link, channel)) = hub.upgrade().map(|hub| hub.way()) else { return };
        let subscribed = Subscription::start(&link, &channel).await;
        drop(link);
        let rest = match subscribed {
            Ok(subscription) => {
                let Some(()) = subscription.serve(&hub).await else { return };
                pause = FIRST_PAUSE;
                jittered(pause)
            }
            Err(error) => {
                let Some(hub) = hub.upgrade() else { return };
                pause = (pause * 2).min(LONGEST_PAUSE);
                if is_refusal(&error) {
                    hub.is_deaf(&error);
                    REFUSED_PAUSE
                } else {
                    hub.hears(Ear::Reaching);
                    jittered(pause)
                }
            }
        };
        sleep(rest).await;
    }
}

struct Subscription {
    connection: MultiplexedConnection,
    messages: mpsc::UnboundedReceiver<PushInfo>,
    channel: Arc<str>,
}

impl Subscription {
    async fn start(link: &Link, channel: &Arc<str>) -> RedisResult<Self> {
        let (listener, messages) = mpsc::unbounded_channel();
        let connection = link.dedicated(channel, Some(listener)).await?;
        let mut subscription = Self { connection, messages, channel: Arc::clone(channel) };
        subscription.subscribe().await?;
        Ok(subscription)
    }

    /// Done again, this changes nothing, and shows that the connection lives and that the slot of
    /// the channel is still where it leads.
    async fn subscribe(&mut self) -> RedisResult<()> {
        let mut command = Cmd::new();
        command.arg("SSUBSCRIBE").arg(&*self.channel);
        let answer = timeout(PATIENCE, self.connection.req_packed_command(&command)).await;
        answer.unwrap_or_else(|_| Err(timed_out()))?.extract_error().map(drop)
    }

    /// Passes messages on until the subscription is lost; `None` if the hub is gone.
    async fn serve(mut self, hub: &Weak<Hub>) -> Option<()> {
        hub.upgrade()?.hears(Ear::Listening);
        loop {
            let message = match timeout(SILENCE, self.messages.recv()).await {
                Ok(Some(message)) => message,
                Err(_) if self.subscribe().await.is_ok() => continue,
                Ok(None) | Err(_) => break,
            };
            match message.kind {
                PushKind::Message | PushKind::SMessage => {
                    if let Some(Value::BulkString(bytes)) = message.data.last() {
                        hub.upgrade()?.hear(bytes);
                    }
                }
                PushKind::Disconnection | PushKind::Unsubscribe | PushKind::SUnsubscribe => break,
                _ => {}
            }
        }
        hub.upgrade()?.hears(Ear::Reaching);
        Some(())
    }
}

/// Whether the next attempt will hardly fare better: no right to the channel, or no such command.
fn is_refusal(error: &RedisError) -> bool {
    error.code() == Some("NOPERM") || is_unknown(error)
}
