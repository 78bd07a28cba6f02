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
            let request = consumer.batch().max_messages(room).expires(EXPIRES);
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
            // What is in the buffer is there at once.
            while let Ok(Some(message)) =
                tokio::time::timeout(Duration::from_millis(10), batch.next()).await
            {
                received.extend(message);
            }
        }
        received
    }
}
