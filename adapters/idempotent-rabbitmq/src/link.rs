//! [`Link`]: the connection and the channel that deliveries come through.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::Channel;
use lapin::options::BasicCancelOptions;
use lapin::types::ShortString;
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncMutexGuard};
use tokio::time::{Instant, timeout};

use crate::ending::Ending;
use crate::open_connection::OpenConnection;

/// How long the broker may take to begin or to cancel a consumer.
const CANCELLED_WITHIN: Duration = Duration::from_secs(2);

/// A channel for deliveries. It stays open while one of them is in hand.
///
/// Nothing is published on its connection: a broker that runs out of memory or disk stops reading from connections that
/// publish, and would not read their acknowledgements either.
#[derive(Debug)]
pub(crate) struct Link {
    connection: OpenConnection,
    pub(crate) channel: Channel,
    pub(crate) opened_at: Instant,
    in_hand: AtomicUsize,
    /// The consumers that nobody has cancelled.
    consumers: Mutex<Vec<ShortString>>,
    /// Held until the broker has begun or cancelled one of them.
    changing: AsyncMutex<()>,
    /// Set when no more deliveries are received.
    pub(crate) ending: Arc<Ending>,
}

impl Link {
    pub(crate) async fn open(connection: OpenConnection) -> lapin::Result<Self> {
        let channel = connection.create_channel().await?;
        let (opened_at, in_hand) = (Instant::now(), AtomicUsize::new(0));
        let (consumers, changing, ending) =
            (Mutex::default(), AsyncMutex::default(), Arc::default());
        Ok(Self { connection, channel, opened_at, in_hand, consumers, changing, ending })
    }

    fn consumers(&self) -> MutexGuard<'_, Vec<ShortString>> {
        self.consumers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until no consumer is about to begin or to end, for as long as the broker may take.
    pub(crate) async fn changing(&self) -> Option<AsyncMutexGuard<'_, ()>> {
        timeout(CANCELLED_WITHIN, self.changing.lock()).await.ok()
    }

    pub(crate) fn consumes(&self, tag: ShortString) {
        self.consumers().push(tag);
    }

    /// Whether nobody here has cancelled this consumer.
    pub(crate) fn is_consuming(&self, tag: &ShortString) -> bool {
        self.consumers().contains(tag)
    }

    /// Whether the client is about to bring the connection back, with its consumers.
    pub(crate) fn is_recovering(&self) -> bool {
        self.connection.is_recovering()
    }

    /// Cancels a consumer, unless that was done.
    pub(crate) async fn cancel(&self, tag: ShortString) {
        let _changing = self.changing().await;
        self.cancel_now(tag).await;
    }

    async fn cancel_now(&self, tag: ShortString) {
        {
            let mut consumers = self.consumers();
            let Some(at) = consumers.iter().position(|it| *it == tag) else { return };
            consumers.remove(at);
        }
        let cancelling = self.channel.basic_cancel(tag, BasicCancelOptions::default());
        match timeout(CANCELLED_WITHIN, cancelling).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::debug!(error, "a consumer was not cancelled");
            }
            Err(_) => tracing::debug!("the broker does not say that a consumer is cancelled"),
        }
    }

    /// Cancels all consumers, so that what is given back goes to others. The next wait begins anew.
    ///
    /// One that somebody else is cancelling is waited for, too, and so is one that is about to begin: the broker would deliver
    /// there what is given back.
    pub(crate) async fn pause(&self) {
        let _changing = self.changing().await;
        loop {
            let Some(tag) = self.consumers().last().cloned() else { return };
            self.cancel_now(tag).await;
        }
    }

    /// Lets go of the connection, which has failed or whose channel has: what is in hand was taken back.
    pub(crate) fn abandon(&self) {
        self.connection.close();
    }

    /// How many deliveries were handed out and are not settled.
    pub(crate) fn in_hand(&self) -> usize {
        self.in_hand.load(Ordering::Relaxed)
    }

    pub(crate) fn hand_out(&self) {
        self.in_hand.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn settled(&self) {
        self.in_hand.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
