//! Leaves a primary as soon as Sentinel has replaced it, even if that server is still alive.
//!
//! After a planned failover the old primary accepts writes for many seconds until it is demoted, and
//! these writes are lost then. Every sentinel publishes that it switched to another primary, so the
//! store subscribes to all of them, leaves the old primary at the first message, and does not return
//! to it when a sentinel that has not heard yet still names it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Client, Cmd, PushInfo, PushKind, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::timeout;

use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::connection::active::ActiveConnections;
use crate::backends::redis::connection::connector::Connector;
use crate::backends::redis::connection::limits::Limits;
use crate::backends::redis::connection::standalone::connect_multiplexed;
use crate::backends::redis::error::timed_out;

const CHANNEL: &str = "+switch-master";

/// After this long without a message, the subscription is checked.
const CHECK_AFTER: Duration = Duration::from_secs(10);

const RECONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Whether the sentinels are watched.
#[derive(Default)]
pub(in crate::backends::redis::connection) struct Watch {
    is_running: Arc<AtomicBool>,
}

/// Allows the next start. Held by every task of a watch, and dropped with them, also when their runtime shuts down.
struct RunningGuard(Arc<AtomicBool>);

impl Watch {
    /// Subscribes to every sentinel of the group, until the store is dropped, unless that is so already.
    pub(in crate::backends::redis::connection) fn start(
        &self,
        active: &Arc<ActiveConnections>,
        limits: Limits,
        tasks: &BackgroundTasks,
    ) {
        let Connector::Sentinel(group) = active.connector() else { return };
        if self.is_running.load(Ordering::Relaxed) || self.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        let guard = Arc::new(RunningGuard(Arc::clone(&self.is_running)));
        for sentinel in group.sentinels() {
            let task = watch_sentinel(Arc::downgrade(active), sentinel.clone(), limits);
            let guard = Arc::clone(&guard);
            tasks.spawn(&Handle::current(), async move {
                let _guard = guard;
                task.await;
            });
        }
    }
}

impl Drop for RunningGuard {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

async fn watch_sentinel(active: Weak<ActiveConnections>, sentinel: Client, limits: Limits) {
    while active.strong_count() > 0 {
        if let Ok((connection, messages)) = subscribe(&sentinel, limits).await {
            receive(&active, connection, messages, limits).await;
        }
        tokio::time::sleep(RECONNECT_PAUSE).await;
    }
}

async fn subscribe(
    sentinel: &Client,
    limits: Limits,
) -> RedisResult<(MultiplexedConnection, UnboundedReceiver<PushInfo>)> {
    let (sender, messages) = unbounded_channel();
    let mut connection = connect_multiplexed(sentinel, None, Some(sender), limits).await?;
    let mut command = Cmd::new();
    command.arg("SUBSCRIBE").arg(CHANNEL);
    send(&mut connection, &command, limits).await?;
    Ok((connection, messages))
}

async fn send(
    connection: &mut MultiplexedConnection,
    command: &Cmd,
    limits: Limits,
) -> RedisResult<()> {
    let answer = timeout(limits.response_timeout, connection.req_packed_command(command)).await;
    answer.unwrap_or_else(|_| Err(timed_out()))?.extract_error().map(drop)
}

/// Acts on messages until the subscription is lost or the store is dropped.
async fn receive(
    active: &Weak<ActiveConnections>,
    mut connection: MultiplexedConnection,
    mut messages: UnboundedReceiver<PushInfo>,
    limits: Limits,
) {
    let mut ping = Cmd::new();
    ping.arg("PING");
    loop {
        let message = timeout(CHECK_AFTER, messages.recv()).await;
        let Some(active) = active.upgrade() else { return };
        match message {
            Ok(Some(PushInfo { kind: PushKind::Message, data })) => {
                if let Some(Value::BulkString(text)) = data.last() {
                    leave_replaced_primary(&active, &String::from_utf8_lossy(text));
                }
            }
            Ok(Some(PushInfo { kind: PushKind::Disconnection, .. }) | None) => return,
            Err(_) if send(&mut connection, &ping, limits).await.is_err() => return,
            _ => {}
        }
    }
}

/// The message is `{group} {old host} {old port} {new host} {new port}`.
fn leave_replaced_primary(active: &Arc<ActiveConnections>, message: &str) {
    let Connector::Sentinel(watched) = active.connector() else { return };
    let words: Vec<&str> = message.split(' ').collect();
    let [group, host, port, ..] = words.as_slice() else { return };
    if *group == watched.service_name() {
        let replaced = format!("{host}:{port}");
        tracing::debug!(group, replaced, "the sentinels have promoted another primary");
        watched.replaced_primary().set(replaced);
        active.replace_if_older_than(Duration::ZERO);
    }
}
