//! The listener: a connection of its own, opened again whenever it is lost, until the store is closed or
//! dropped.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sqlx::Row;
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::message::Message;
use crate::backends::postgres::connection_pool::ConnectionPool;
use crate::backends::shared::background::StopSignal;
use crate::backends::shared::notify::Notifier;
use crate::store::poll::jittered;

/// How long to wait for a notification before checking that the connection still lives.
const CHECK_AFTER: Duration = Duration::from_secs(5);

/// How long connecting, or the answer to a check, may take.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(2);

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A channel, and how to connect to it.
#[derive(Clone)]
pub(in crate::backends::postgres) struct Channel {
    /// Only for its options: a login that the application changes there is used here, too.
    pub(in crate::backends::postgres) pool: ConnectionPool,
    pub(in crate::backends::postgres) name: Arc<str>,
}

/// Whatever ends the listener, purges are missed from then on.
struct EndOfListening(Arc<Notifier>);

/// Listens until the store is closed or dropped.
pub(super) async fn run(
    notifier: Arc<Notifier>,
    channel: Channel,
    is_connected: Arc<AtomicBool>,
    stop: StopSignal,
) {
    let _end = EndOfListening(Arc::clone(&notifier));
    stop.cancels(listen(&notifier, &channel, &is_connected)).await;
    is_connected.store(false, Ordering::Relaxed);
}

async fn listen(notifier: &Notifier, channel: &Channel, is_connected: &AtomicBool) {
    let mut pause = FIRST_PAUSE;
    loop {
        match timeout(RESPONSE_TIMEOUT, subscribe(channel)).await {
            Ok(Ok(listener)) => {
                pause = FIRST_PAUSE;
                is_connected.store(true, Ordering::Relaxed);
                receive(listener, notifier).await;
                is_connected.store(false, Ordering::Relaxed);
            }
            failed => {
                if let Ok(Err(error)) = failed {
                    tracing::debug!(%error, "the store cannot listen; it will try again");
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        notifier.purges_missed();
        sleep(jittered(pause)).await;
    }
}

/// Not on a connection of the store's pool, which may be small, and whose owner counts connections.
async fn subscribe(channel: &Channel) -> sqlx::Result<PgListener> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(RESPONSE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with(channel.pool.connect_options().await?);
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(&channel.name).await?;
    Ok(listener)
}

/// Whether the server accepts no writes. One that did and does so no more is not where others notify.
async fn is_read_only(listener: &mut PgListener) -> sqlx::Result<bool> {
    let setting = sqlx::raw_sql("SHOW transaction_read_only").fetch_one(listener).await?;
    Ok(setting.try_get::<&str, _>(0)? == "on")
}

/// Passes notifications on until the connection is lost.
async fn receive(mut listener: PgListener, notifier: &Notifier) {
    // Anything may have happened before the connection listened.
    notifier.purges_missed();
    notifier.poll_now();
    let mut was_read_only = true;
    loop {
        match timeout(CHECK_AFTER, listener.try_recv()).await {
            Ok(Ok(Some(notification))) => pass_on(notifier, notification.payload()),
            Ok(Ok(None) | Err(_)) => return,
            Err(_) => match timeout(RESPONSE_TIMEOUT, is_read_only(&mut listener)).await {
                Ok(Ok(true)) if !was_read_only => return,
                Ok(Ok(is_read_only)) => was_read_only = is_read_only,
                Ok(Err(_)) | Err(_) => return,
            },
        }
    }
}

fn pass_on(notifier: &Notifier, payload: &str) {
    match Message::parse(payload) {
        Some(Message::Ended(hash)) => notifier.ended(&hash),
        Some(Message::Purged(hash)) => notifier.purged(&hash),
        None => tracing::debug!("an unknown notification was ignored"),
    }
}

impl Drop for EndOfListening {
    fn drop(&mut self) {
        self.0.purges_missed();
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}
