//! [`Pull`]: one request for messages, and what has come of it.

use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::Batch;
use async_nats::jetstream::{self};
use futures_util::StreamExt;

use crate::consumer::SourceError;

/// How long a request waits on the server. A server that restarts forgets it, so this is also how long it takes to
/// notice, with the client's 5 seconds.
const EXPIRES: Duration = Duration::from_secs(2);

/// How long what the server has sent for a request may take to come in: it is on its way, and the machine may be busy.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// An open request, if there is one.
#[derive(Default)]
pub(super) struct Pull(Option<Batch>);

impl Pull {
    /// The next message of the open request, or of a new one for at most `room` messages. `None` when a request has
    /// ended without more.
    pub(super) async fn next(
        &mut self,
        consumer: &PullConsumer,
        room: usize,
    ) -> Result<Option<jetstream::Message>, SourceError> {
        if self.0.is_none() {
            let config = &consumer.cached_info().config;
            let (room, expires) = within(config.max_batch, config.max_expires, room);
            let request = consumer.batch().max_messages(room).expires(expires);
            self.0 = Some(request.messages().await.map_err(SourceError::unavailable)?);
        }
        let Some(batch) = &mut self.0 else { return Ok(None) };
        match batch.next().await {
            Some(Ok(message)) => Ok(Some(message)),
            Some(Err(error)) => {
                self.0 = None;
                Err(SourceError::unavailable(error))
            }
            None => {
                self.0 = None;
                Ok(None)
            }
        }
    }

    /// Ends the request, and returns what has come of it meanwhile.
    pub(super) async fn stop(&mut self) -> Vec<jetstream::Message> {
        let mut received = Vec::new();
        if let Some(mut batch) = self.0.take() {
            while let Ok(Some(message)) = tokio::time::timeout(ON_ITS_WAY, batch.next()).await {
                received.extend(message);
            }
        }
        received
    }
}

/// As many messages and as long as the consumer allows in one request. The server refuses every request for more.
fn within(max_batch: i64, max_expires: Duration, room: usize) -> (usize, Duration) {
    let room = match usize::try_from(max_batch) {
        Ok(most) if most > 0 => room.min(most),
        _ => room,
    };
    match max_expires.is_zero() {
        true => (room, EXPIRES),
        false => (room, EXPIRES.min(max_expires)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_for_no_more_than_its_consumer_allows() {
        let second = Duration::from_secs(1);
        assert_eq!(within(0, Duration::ZERO, 64), (64, EXPIRES));
        assert_eq!(within(-1, Duration::ZERO, 64), (64, EXPIRES));
        assert_eq!(within(10, second, 64), (10, second));
        assert_eq!(within(10, second * 60, 7), (7, EXPIRES));
    }
}
