//! [`Pull`]: requests for messages, and what comes of them.

use std::pin::pin;
use std::time::Duration;

use async_nats::jetstream::consumer::PullConsumer;
use async_nats::jetstream::consumer::pull::BatchConfig;
use async_nats::{Client, Message, StatusCode, Subject, Subscriber};
use futures_util::StreamExt;
use tokio::time::{Instant, timeout};

use super::demand::Demand;
use crate::consumer::SourceError;

/// How long a request waits on the server.
const EXPIRES: Duration = Duration::from_secs(2);
/// How much longer it is waited for. A server that restarts forgets a request, and this is how it is noticed.
const GRACE: Duration = Duration::from_secs(3);
/// What a server says of a request that it ends, besides.
const UNSENT: &str = "Nats-Pending-Messages";

/// A subscription for what is asked for, and the requests that are open. There is one for all requests, since each costs
/// two more commands, and its server a change of its routes.
pub(super) struct Pull {
    received: Subscriber,
    inbox: String,
    last_request: u64,
    demand: Demand,
    /// Fewer than these are not asked for while others may still come.
    portion: usize,
}

impl Pull {
    /// For at most so many messages at once.
    pub(super) async fn start(client: &Client, concurrency: usize) -> Result<Self, SourceError> {
        let inbox = client.new_inbox();
        let subscribing = client.subscribe(format!("{inbox}.*"));
        let received = subscribing.await.map_err(SourceError::unavailable)?;
        let (demand, portion) = (Demand::default(), (concurrency / 4).max(1));
        Ok(Self { received, inbox, last_request: 0, demand, portion })
    }

    /// The next message, once there is one. At most `room` are asked for.
    pub(super) async fn next(
        &mut self,
        consumer: &PullConsumer,
        room: usize,
    ) -> Result<Message, SourceError> {
        loop {
            self.ask(consumer, room).await?;
            let message = {
                let received = pin!(self.received.next());
                match self.demand.next_end() {
                    Some(end) => match tokio::time::timeout_at(end, received).await {
                        Ok(message) => message,
                        Err(_) => continue,
                    },
                    None => received.await,
                }
            };
            let Some(message) = message else {
                return Err(SourceError::unavailable("the client has ended the subscription"));
            };
            if self.take(&message)? {
                return Ok(message);
            }
        }
    }

    /// Asks for what there is room for and was not asked for.
    async fn ask(&mut self, consumer: &PullConsumer, room: usize) -> Result<(), SourceError> {
        let now = Instant::now();
        self.demand.forget(now);
        let config = &consumer.cached_info().config;
        let open = self.demand.messages();
        let free = room.saturating_sub(open);
        if free == 0 || open > 0 && free < self.portion {
            return Ok(());
        }
        let (batch, expires) = within(config.max_batch, config.max_expires, free);
        let number = self.last_request + 1;
        let request = BatchConfig { batch, expires: Some(expires), ..BatchConfig::default() };
        let reply = Subject::from(format!("{}.{number}", self.inbox));
        // Counted before, since what is sent is sent, should this be dropped.
        self.last_request = number;
        self.demand.asked(number, batch, now + expires + GRACE);
        consumer.request_batch(request, reply).await.map_err(|error| {
            self.demand.ended(number, None);
            SourceError::unavailable(error)
        })
    }

    /// Whether it is a message of the stream, and not a word about a request.
    fn take(&mut self, message: &Message) -> Result<bool, SourceError> {
        let Some(status) = message.status.filter(|status| *status != StatusCode::OK) else {
            self.demand.received();
            return Ok(true);
        };
        if status == StatusCode::IDLE_HEARTBEAT {
            return Ok(false);
        }
        if let Some(number) = number(&self.inbox, &message.subject) {
            let unsent = message.headers.as_ref().and_then(|headers| headers.get(UNSENT));
            let unsent = unsent.and_then(|unsent| unsent.as_str().parse().ok());
            self.demand.ended(number, unsent);
        }
        match status {
            StatusCode::TIMEOUT | StatusCode::NOT_FOUND => Ok(false),
            status => {
                let why = message.description.as_deref().unwrap_or("no reason");
                Err(SourceError::unavailable(format!("the server refuses: {status}, {why}")))
            }
        }
    }

    /// Ends the requests, and returns what has come of them meanwhile.
    pub(super) async fn stop(&mut self) -> Vec<Message> {
        let mut received = Vec::new();
        // What is in the buffer is there at once.
        while let Ok(Some(message)) = timeout(Duration::from_millis(10), self.received.next()).await
        {
            if let Ok(true) = self.take(&message) {
                received.push(message);
            }
        }
        // If that fails, dropping it does the same.
        let _ = self.received.unsubscribe().await;
        received
    }
}

/// The number of the request that is spoken of.
fn number(inbox: &str, subject: &Subject) -> Option<u64> {
    subject.as_str().strip_prefix(inbox)?.strip_prefix('.')?.parse().ok()
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

    #[test]
    fn a_word_of_the_server_is_about_the_request_of_its_subject() {
        let about = |subject: &'static str| number("_INBOX.a", &Subject::from(subject));
        assert_eq!(about("_INBOX.a.17"), Some(17));
        assert_eq!([about("_INBOX.ab.17"), about("_INBOX.a"), about("orders.17")], [None; 3]);
    }
}
