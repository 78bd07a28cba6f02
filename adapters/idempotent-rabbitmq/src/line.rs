//! [`Line`]: a connection for publishing, and its channels.

use std::sync::{Mutex, MutexGuard, PoisonError};

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::ShortString;
use lapin::{BasicProperties, Channel, Confirmation, Connection};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::open_connection::OpenConnection;

/// How many copies are under way at most. Further ones wait for one of them.
const MOST_CHANNELS: u16 = 256;

/// A connection for publishing, with a channel for each copy that is under way.
///
/// A channel is never shared. The broker says of a returned message only which one it is, and the client hands it to
/// whichever confirmation comes next on the channel: of two copies under way, the one that no queue takes could count
/// as taken.
pub(crate) struct Line {
    connection: OpenConnection,
    /// Nothing is under way on them.
    idle: Mutex<Vec<Channel>>,
    room: Semaphore,
}

impl Line {
    pub(crate) fn new(connection: OpenConnection) -> Self {
        // Declaring a queue takes channels, too. Zero stands for no limit.
        let most = match connection.configuration().channel_max() {
            0 => MOST_CHANNELS,
            allowed => (allowed / 2).clamp(1, MOST_CHANNELS),
        };
        let room = Semaphore::new(most.into());
        Self { connection, idle: Mutex::default(), room }
    }

    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.connection.status().connected()
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.connection.status().blocked()
    }

    /// Waits until one more copy may be under way, for as long as the permit is held.
    pub(crate) async fn room(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.room.acquire().await.ok()
    }

    /// Publishes one copy, and returns what the broker says of it.
    pub(crate) async fn publish(
        &self,
        exchange: ShortString,
        routing_key: ShortString,
        payload: &[u8],
        properties: BasicProperties,
    ) -> lapin::Result<Confirmation> {
        let channel = self.channel().await?;
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let published =
            channel.basic_publish(exchange, routing_key, options, payload, properties).await?;
        let confirmation = published.await?;
        // A channel that is dropped before is closed, since its confirmation would come to the next copy.
        if channel.status().connected() {
            self.idle().push(channel);
        }
        Ok(confirmation)
    }

    /// A channel on which nothing is under way.
    async fn channel(&self) -> lapin::Result<Channel> {
        while let Some(channel) = self.idle().pop() {
            if channel.status().connected() {
                return Ok(channel);
            }
        }
        let channel = self.connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        Ok(channel)
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Channel>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
