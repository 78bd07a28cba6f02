//! [`DelayQueues`]: where messages wait for their next delivery.
//!
//! A queue with a time to live sends what is over to the messages' own queue. In one queue all wait equally long, since
//! only the message at the head of a queue expires.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable, ShortString};
use lapin::{Channel, Connection};
use tokio::time::Instant;

use crate::look_up;

/// The shortest delay, of which every other one is a multiple.
const STEP: u64 = 250;
/// How long a queue is left empty after it was declared. A broker that is killed sooner comes back with the queue and
/// without what it has confirmed for it: RabbitMQ 3.10 does so for less than 4 seconds.
const YOUNG: Duration = Duration::from_secs(4);
/// A broker takes no delay that does not fit into 32 bits.
const LONGEST: u64 = 30 * 86_400 * 1000;

/// The delay queues of a source.
#[derive(Debug)]
pub(crate) enum DelayQueues {
    /// Declared when they are first needed.
    Declared(Declared),
    /// Queues that others have declared, by their delays.
    Existing(Vec<(Duration, ShortString)>),
}

/// What is known of queues that are declared when they are first needed.
#[derive(Debug)]
pub(crate) struct Declared {
    queue: ShortString,
    started_at: Instant,
    known: Mutex<HashMap<u64, Known>>,
    /// One at a time, so that declaring takes no more than one channel.
    declaring: tokio::sync::Mutex<()>,
}

/// A queue with a delay.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Not after a message to it could not be routed.
    is_there: bool,
    /// From when on it is used.
    ready_at: Instant,
}

impl DelayQueues {
    pub(crate) fn declared(queue: ShortString) -> Self {
        let (known, declaring) = (Mutex::default(), tokio::sync::Mutex::default());
        Self::Declared(Declared { queue, started_at: Instant::now(), known, declaring })
    }

    /// The queue for a delay of at least this long, or the one with the longest, and from when on it is used.
    pub(crate) async fn of(
        &self,
        connection: &Connection,
        after: Duration,
    ) -> lapin::Result<(ShortString, Option<Instant>)> {
        match self {
            Self::Existing(queues) => {
                let enough = queues.iter().find(|(delay, _)| *delay >= after);
                let chosen = enough.or(queues.last());
                Ok((chosen.map_or_else(|| "".into(), |(_, queue)| queue.clone()), None))
            }
            Self::Declared(declared) => {
                let delay = rounded_up(after);
                let ready_at = declared.ready_at(connection, delay).await?;
                Ok((name(&declared.queue, delay), Some(ready_at)))
            }
        }
    }

    /// A message could not be routed to the queue for this delay: it may have been deleted.
    pub(crate) fn forget(&self, after: Duration) {
        if let Self::Declared(declared) = self {
            let ready_at = Instant::now() + YOUNG;
            declared.known().insert(rounded_up(after), Known { is_there: false, ready_at });
        }
    }
}

impl Declared {
    /// Declares the queue if need be, and returns from when on it is used.
    ///
    /// Nobody says how old a queue is that is there already. Another process may have declared it for the first time when it
    /// started together with this one, or after a message could not be routed.
    async fn ready_at(&self, connection: &Connection, delay: u64) -> lapin::Result<Instant> {
        if let Some(ready_at) = self.found(delay) {
            return Ok(ready_at);
        }
        let _declaring = self.declaring.lock().await;
        if let Some(ready_at) = self.found(delay) {
            return Ok(ready_at);
        }
        let name = name(&self.queue, delay);
        let since = match look_up::queue(connection, &name).await {
            Ok(()) => self.started_at,
            Err(error) if look_up::is_missing(&error) => Instant::now(),
            Err(error) => return Err(error),
        };
        // Also one that is there: with other arguments it is refused. On a channel of its own, which a refusal closes.
        let channel = connection.create_channel().await?;
        declare(&channel, &self.queue, &name, delay).await?;
        let mut known = self.known();
        let forgotten = known.get(&delay).map(|known| known.ready_at);
        let ready_at = forgotten.unwrap_or(since).max(since + YOUNG);
        known.insert(delay, Known { is_there: true, ready_at });
        Ok(ready_at)
    }

    fn found(&self, delay: u64) -> Option<Instant> {
        self.known().get(&delay).filter(|known| known.is_there).map(|known| known.ready_at)
    }

    fn known(&self) -> MutexGuard<'_, HashMap<u64, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Replicated, and with deliveries to the messages' own queue that are confirmed: a classic queue forgets what is over
/// before that has it.
async fn declare(
    channel: &Channel,
    queue: &ShortString,
    name: &ShortString,
    delay: u64,
) -> lapin::Result<()> {
    let text = |text: &str| AMQPValue::LongString(text.into());
    let mut arguments = FieldTable::default();
    for (name, value) in [
        ("x-queue-type", text("quorum")),
        ("x-message-ttl", AMQPValue::LongLongInt(i64::try_from(delay).unwrap_or(i64::MAX))),
        ("x-dead-letter-exchange", text("")),
        ("x-dead-letter-routing-key", text(queue.as_str())),
        ("x-dead-letter-strategy", text("at-least-once")),
        ("x-overflow", text("reject-publish")),
    ] {
        arguments.insert(name.into(), value);
    }
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.clone(), options, arguments).await.map(drop)
}

/// The name of the queue with this delay, which is short enough: see `is_too_long`.
fn name(queue: &ShortString, delay: u64) -> ShortString {
    ShortString::try_new(format!("{queue}.delay.{delay}ms")).unwrap_or_else(|_| queue.clone())
}

/// Whether the names of delay queues would be longer than the broker allows.
pub(crate) fn is_too_long(queue: &ShortString) -> bool {
    ShortString::try_new(format!("{queue}.delay.{LONGEST}ms")).is_err()
}

/// The delay in milliseconds, at most a quarter longer, so that there are four queues for each doubling.
fn rounded_up(after: Duration) -> u64 {
    let millis = after.as_micros().div_ceil(1000);
    let steps = u64::try_from(millis).unwrap_or(LONGEST).min(LONGEST).div_ceil(STEP).max(1);
    let unit = 1 << steps.ilog2().saturating_sub(2);
    steps.div_ceil(unit) * unit * STEP
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_delay_is_never_shortened_and_at_most_a_quarter_longer() {
        for millis in (1..200_000).step_by(37) {
            let rounded = rounded_up(Duration::from_millis(millis));
            assert!(rounded >= millis, "{millis} became {rounded}");
            assert!(
                rounded < millis + STEP || rounded <= millis + millis / 4,
                "{millis}: {rounded}"
            );
        }
        let seconds = [0, 1, 2, 4, 15, 60, 256, 300].map(Duration::from_secs).map(rounded_up);
        assert_eq!(seconds, [250, 1000, 2000, 4000, 16_000, 64_000, 256_000, 320_000]);
        assert!(rounded_up(Duration::MAX) < u64::from(u32::MAX));
    }

    #[test]
    fn a_year_of_pauses_has_few_queues() {
        let delays: HashSet<u64> =
            (0..86_400).map(|seconds| rounded_up(Duration::from_secs(seconds))).collect();
        assert!(delays.len() < 70, "{}", delays.len());
    }
}
