//! Leaving a primary that Sentinel has replaced while it lives on.
//!
//! After a planned failover the old primary takes writes for many seconds until it is demoted, and
//! what it took is lost then. Every sentinel says when it switches; whoever hears it leaves at once,
//! and does not come back on the word of a sentinel that has not heard yet.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Client, Cmd, PushInfo, PushKind, RedisResult, Value};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use super::live::Live;
use super::standalone::multiplexed;
use super::{Limits, Source};
use crate::store::redis::error::timed_out;

const CHANNEL: &str = "+switch-master";

/// How long nothing is heard before the subscription is made sure of.
const SILENCE: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_secs(1);

/// Sentinels hear of each other's switches within two seconds, and demote the old primary after
/// eight. A primary that was replaced may become one again.
const STAYS_LEFT: Duration = Duration::from_secs(15);

/// The primary that was replaced last, and when.
#[derive(Default)]
pub(super) struct Replaced(Mutex<Option<(String, Instant)>>);

impl Replaced {
    /// Whether this address was just replaced.
    pub(super) fn is(&self, address: &impl fmt::Display) -> bool {
        let replaced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        replaced
            .as_ref()
            .is_some_and(|(old, at)| *old == address.to_string() && at.elapsed() < STAYS_LEFT)
    }

    fn note(&self, address: String) {
        let mut replaced = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *replaced = Some((address, Instant::now()));
    }
}

/// Listens to every sentinel until the link is dropped.
pub(super) fn watch(live: &Arc<Live>, sentinels: &[Client], limits: Limits) {
    for sentinel in sentinels {
        tokio::spawn(listen(Arc::downgrade(live), sentinel.clone(), limits));
    }
}

async fn listen(live: Weak<Live>, sentinel: Client, limits: Limits) {
    while live.strong_count() > 0 {
        if let Ok((connection, messages)) = subscribe(&sentinel, limits).await {
            hear(&live, connection, messages, limits).await;
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn subscribe(
    sentinel: &Client,
    limits: Limits,
) -> RedisResult<(MultiplexedConnection, UnboundedReceiver<PushInfo>)> {
    let (listener, messages) = unbounded_channel();
    let mut connection = multiplexed(sentinel, Some(listener), limits).await?;
    let mut command = Cmd::new();
    command.arg("SUBSCRIBE").arg(CHANNEL);
    ask(&mut connection, &command, limits).await?;
    Ok((connection, messages))
}

async fn ask(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    limits: Limits,
) -> RedisResult<()> {
    let answer = timeout(limits.response, connection.req_packed_command(command)).await;
    answer.unwrap_or_else(|_| Err(timed_out()))?.extract_error().map(drop)
}

/// Until the subscription or the link is gone.
async fn hear(
    live: &Weak<Live>,
    mut connection: MultiplexedConnection,
    mut messages: UnboundedReceiver<PushInfo>,
    limits: Limits,
) {
    let mut ping = Cmd::new();
    ping.arg("PING");
    loop {
        let message = timeout(SILENCE, messages.recv()).await;
        let Some(live) = live.upgrade() else { return };
        match message {
            Ok(Some(PushInfo { kind: PushKind::Message, data })) => {
                if let Some(Value::BulkString(text)) = data.last() {
                    switched(&live, &String::from_utf8_lossy(text));
                }
            }
            Ok(Some(PushInfo { kind: PushKind::Disconnection, .. }) | None) => return,
            Err(_) if ask(&mut connection, &ping, limits).await.is_err() => return,
            _ => {}
        }
    }
}

/// `{group} {old host} {old port} {new host} {new port}`.
fn switched(live: &Arc<Live>, message: &str) {
    let Source::Sentinel(watched) = &live.source else { return };
    let words: Vec<&str> = message.split(' ').collect();
    let [group, host, port, ..] = words.as_slice() else { return };
    if *group == watched.group() {
        tracing::debug!(group, "sentinel switched to another primary");
        watched.replaced().note(format!("{host}:{port}"));
        live.lose_if_older(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_primary_that_was_replaced_is_left() {
        let replaced = Replaced::default();
        assert!(!replaced.is(&"10.0.0.1:6379"));
        replaced.note("10.0.0.1:6379".to_owned());
        assert!(replaced.is(&"10.0.0.1:6379"));
        assert!(!replaced.is(&"10.0.0.2:6379"));
    }
}
