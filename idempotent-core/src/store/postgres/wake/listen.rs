//! The connection that listens: one of its own, made anew when it is lost, for as long as the store is
//! in use.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Weak;
use std::task::Poll;
use std::time::Duration;

use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::{Hub, Way};
use crate::store::poll::jittered;

/// How long nothing is heard before the connection is made sure of.
const SILENCE: Duration = Duration::from_secs(5);

/// How long connecting, or an answer, may take.
const PATIENCE: Duration = Duration::from_secs(2);

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Listens until the hub is dropped.
pub(super) async fn run(hub: Weak<Hub>, way: Way, mut in_use: watch::Receiver<()>) {
    let _over = Over(hub.clone());
    let mut dropped = pin!(async move { while in_use.changed().await.is_ok() {} });
    let mut listening = pin!(listen(hub, way));
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

async fn listen(hub: Weak<Hub>, way: Way) {
    let mut pause = FIRST_PAUSE;
    loop {
        match timeout(PATIENCE, subscribe(&way)).await {
            Ok(Ok(listener)) => {
                pause = FIRST_PAUSE;
                // The hub itself is not kept while something is waited for.
                let Some(()) = serve(listener, &hub).await else { return };
            }
            failed => {
                if let Ok(Err(error)) = failed {
                    tracing::debug!(%error, "the store cannot listen now");
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
        let Some(()) = hub.upgrade().map(|hub| hub.observers.missed()) else { return };
        sleep(jittered(pause)).await;
    }
}

/// Not a connection of the store's pool, which may be small, and whose owner counts its connections.
async fn subscribe(way: &Way) -> sqlx::Result<PgListener> {
    let pool = PgPoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        .connect_lazy_with((*way.pool.connect_options()).clone());
    let mut listener = PgListener::connect_with(&pool).await?;
    listener.eager_reconnect(false);
    listener.listen(&way.channel).await?;
    Ok(listener)
}

/// Passes on what is heard until the connection is lost; `None` if the hub is gone.
async fn serve(mut listener: PgListener, hub: &Weak<Hub>) -> Option<()> {
    hub.upgrade()?.missed();
    loop {
        match timeout(SILENCE, listener.try_recv()).await {
            Ok(Ok(Some(told))) => hub.upgrade()?.hear(told.payload()),
            Ok(Ok(None) | Err(_)) => return Some(()),
            Err(_) => {
                let answer = timeout(PATIENCE, sqlx::query("SELECT").execute(&mut listener)).await;
                if !matches!(answer, Ok(Ok(_))) {
                    return Some(());
                }
            }
        }
    }
}
