//! One subscription to the store's channel, over a connection of its own.

use std::future::{Future as _, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

use crate::backends::redis::connection::Client;
use crate::backends::redis::error::timed_out;

/// After this long without a message, the subscription is checked.
const CHECK_AFTER: Duration = Duration::from_secs(5);

/// How long subscribing may take, once connected.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Subscription {
    connection: MultiplexedConnection,
    messages: mpsc::UnboundedReceiver<PushInfo>,
    channel: Arc<str>,
    /// Another server may be the primary once the store's connections are replaced; this one may stay up.
    replaced: watch::Receiver<()>,
}

impl Subscription {
    /// Connects and subscribes.
    pub(super) async fn open(client: &Client, channel: &Arc<str>) -> RedisResult<Self> {
        let (sender, messages) = mpsc::unbounded_channel();
        let replaced = client.replaced();
        let connection = client.connect_for_key(channel, Some(sender)).await?;
        let channel = Arc::clone(channel);
        let mut subscription = Self { connection, messages, channel, replaced };
        subscription.subscribe().await?;
        Ok(subscription)
    }

    /// The next message; `None` once the subscription is lost.
    pub(super) async fn receive(&mut self) -> Option<Vec<u8>> {
        loop {
            let mut message = match timeout(CHECK_AFTER, self.next()).await {
                Ok(Some(message)) => message,
                Err(_) if self.subscribe().await.is_ok() => continue,
                Ok(None) | Err(_) => return None,
            };
            match message.kind {
                PushKind::Message | PushKind::SMessage => {
                    if let Some(Value::BulkString(bytes)) = message.data.pop() {
                        return Some(bytes);
                    }
                }
                PushKind::Disconnection | PushKind::Unsubscribe | PushKind::SUnsubscribe => {
                    return None;
                }
                _ => {}
            }
        }
    }

    /// The next message; `None` if the subscription is lost, or leads to the wrong server.
    async fn next(&mut self) -> Option<PushInfo> {
        let Self { messages, replaced, .. } = self;
        let mut replaced = pin!(replaced.changed());
        poll_fn(|cx| match messages.poll_recv(cx) {
            Poll::Pending if replaced.as_mut().poll(cx).is_ready() => Poll::Ready(None),
            message => message,
        })
        .await
    }

    /// Subscribes. Done again, this changes nothing, and shows that the connection is alive and still
    /// leads to the server that has the channel's slot.
    async fn subscribe(&mut self) -> RedisResult<()> {
        let mut command = Cmd::new();
        command.arg("SSUBSCRIBE").arg(&*self.channel);
        let answer = timeout(SUBSCRIBE_TIMEOUT, self.connection.req_packed_command(&command)).await;
        answer.unwrap_or_else(|_| Err(timed_out()))?.extract_error().map(drop)
    }
}
