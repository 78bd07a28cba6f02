//! [`RedisStreamSource`]: deliveries of a consumer group.

use std::collections::VecDeque;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::dead_letter::DeadLetters;
use super::group::{Group, StartAt};
use super::pull::{Batch, Pull};
use super::received::{Entry, Fields};
use super::shared::{Lag, Shared};
use super::start::start;
use super::verdict::{RedisDelivery, why_without_id};
use crate::backends::RedisStore;
use crate::consumer::{Delivery, Needs, Source, SourceError, Terms, Verdict};

const MIN_IDLE: Duration = Duration::from_secs(60);
/// How often pending entries are looked at, if nothing else is said: this part of the time after which they are claimed,
/// and no more rarely than that.
const LOOKS: u32 = 8;
const LONGEST_CLAIM_PAUSE: Duration = Duration::from_secs(1);
const SHORTEST_CLAIM_PAUSE: Duration = Duration::from_millis(1);

/// Deliveries of a consumer group of a stream in Redis or Valkey.
///
/// ```no_run
/// use std::time::Duration;
///
/// use idempotent_core::backends::RedisStore;
/// use idempotent_core::consumer::redis_streams::{RedisStreamSource, StartAt};
/// use idempotent_core::store::StoreError;
///
/// # async fn source() -> Result<RedisStreamSource, StoreError> {
/// // The connections to the broker: with a login, TLS, Sentinel or a cluster, as of every store.
/// let redis = RedisStore::connect("rediss://redis.internal:6379").await?;
/// let source = RedisStreamSource::new(&redis, "orders", "warehouse")
///     .create_group(StartAt::Oldest)
///     .min_idle(Duration::from_secs(60))
///     .dead_letters("orders:dead");
/// # Ok(source) }
/// ```
///
/// # What a message is
///
/// An entry of the stream. Its [payload](Self::payload_field) is the field `payload`; an entry without it is, as a
/// payload, the JSON object of all its fields, whose values are then text. Other fields are headers, if they are UTF-8.
///
/// # The id of a message
///
/// The field `Idempotent-Message-Id`, which dead letters have; else the [field that you name](Self::id_field); if you name none, the
/// key of the stream and the id of the entry. The latter is the same in every delivery of a message, but not in what its
/// producer adds a second time: let producers send an id. Of two, the first counts.
///
/// The server's ids of entries tell the time. Ids that a producer makes up may not, such as `5-1`: a stream that is made anew
/// has them again, for other messages. So such an entry without an id of its own is [parked](crate::consumer::ParkReason::InvalidKey).
/// Two servers may have entries of one id, too: if a consumer reads streams of one key on both, give it a
/// [name](crate::consumer::Consumer::builder) for each server, or let producers send ids.
///
/// # Whose a message is
///
/// The source joins the group under a name that no other one has, and leaves it when it stops. The name of a process
/// that was killed is removed after a day. A message that is in hand is kept alive; one that is neither kept alive nor
/// settled for [`min_idle`](Self::min_idle) is claimed by another worker.
///
/// What a message is told to wait for longer than that is kept in a sorted set, under the stream's key in braces, the
/// name of the group and `delayed`: `{orders}:warehouse:delayed`.
///
/// # What the server must allow
///
/// The user needs `XREADGROUP`, `XACK`, `XADD`, `XGROUP`, `XINFO`, `XAUTOCLAIM`, `XCLAIM`, `XPENDING`, `XRANGE`, `ZADD`,
/// `ZSCORE`, `ZREMRANGEBYSCORE`, `TYPE`, `TIME`, `EVAL` and `EVALSHA` on these keys, beside what the store needs to connect.
///
/// # What a server can lose
///
/// Replication is asynchronous, and persistence may be: after a failover or a restart, a message may be missing that
/// a producer has added, and one that was acknowledged may come again, which replays. A server that keeps nothing loses the stream
/// and the group, and a source that may [create](Self::create_group) the group goes on with what comes then.
///
/// A stream that is trimmed drops messages whether or not they are settled. One that was pending is reported at `ERROR` and
/// counted in `idempotent_consumer_trimmed_total`. If a worker has it in hand, and does not complete it, it is
/// [parked](crate::consumer::ParkReason::Trimmed), since it would not come again.
pub struct RedisStreamSource {
    store: RedisStore,
    stream: String,
    group: String,
    dead_letters: String,
    creates: Option<StartAt>,
    min_idle: Duration,
    claim_every: Option<Duration>,
    fields: Fields,
    started: Option<Running>,
}

struct Running {
    shared: Arc<Shared>,
    pull: Pull,
    /// What was received and not returned, and since when the server has counted its idle time, at the earliest.
    received: VecDeque<(Entry, Instant)>,
    has_warned: bool,
}

impl RedisStreamSource {
    /// Reads the group with this name of the stream with this key, on the servers of this store.
    ///
    /// The store lends its connections, and may be the one that keeps the records or another one. The source opens one more
    /// connection, for reading, which blocks it.
    #[must_use]
    pub fn new(store: &RedisStore, stream: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            store: store.clone(),
            stream: stream.into(),
            group: group.into(),
            dead_letters: String::new(),
            creates: None,
            min_idle: MIN_IDLE,
            claim_every: None,
            fields: Fields { payload: "payload".to_owned(), id: None },
            started: None,
        }
    }

    /// Sets the key of the stream that messages are parked in. It is required, and must be another one than that of the
    /// messages. It need not exist.
    ///
    /// A dead letter has the fields of its message, and fields that say its [id](super::MESSAGE_ID),
    /// [why](super::REASON) it was parked, [what went wrong](super::ERROR), and [where](super::POSITION) it was. To replay it,
    /// add it to its stream with all its fields.
    ///
    /// The copy is added and the message settled in one script, so there is one copy whatever fails. In a cluster
    /// that is so if both keys are in one slot, as `{orders}` and `{orders}:dead` are. Otherwise the copy is added first, and
    /// each answer to that which is lost, and a crash before the message is settled, makes one more, under the same id. So it is
    /// for a message of more than 2000 fields, and for one that was trimmed away.
    #[must_use]
    pub fn dead_letters(mut self, stream: impl Into<String>) -> Self {
        self.dead_letters = stream.into();
        self
    }

    /// Creates the group where it is missing, at the start, and the stream as well. Default: a missing group is an error.
    ///
    /// If the group or the stream goes missing while it is read, as on a server without persistence that restarts, the
    /// group is created again, and reads all that the stream has then. What was handled before replays. If the oldest message is
    /// older than the consumer's [`ttl`](crate::consumer::ConsumerBuilder::ttl), or its id tells no time, it would run again:
    /// then the run ends with an error, and where the group goes on is yours to say.
    #[must_use]
    pub fn create_group(mut self, at: StartAt) -> Self {
        self.creates = Some(at);
        self
    }

    /// Sets after how long a message is claimed by another worker, if nobody has settled it or kept it alive. Default: 60
    /// seconds. It is rounded up to milliseconds. The consumer's [lease](crate::consumer::ConsumerBuilder::lease) is at
    /// most half of it.
    ///
    /// All workers of a group should have the same: one with a shorter time claims what others have in hand.
    #[must_use]
    pub fn min_idle(mut self, min_idle: Duration) -> Self {
        self.min_idle = min_idle;
        self
    }

    /// Sets how often it looks for messages whose pause is over or whose worker has died, which is how late those come.
    /// Default: eight times in [`min_idle`](Self::min_idle), and at least once a second. At least 1 millisecond.
    ///
    /// A source that waits for messages asks the server this often.
    #[must_use]
    pub fn claim_every(mut self, pause: Duration) -> Self {
        self.claim_every = Some(pause.max(SHORTEST_CLAIM_PAUSE));
        self
    }

    /// Sets which field of an entry is the payload. Default: `payload`.
    #[must_use]
    pub fn payload_field(mut self, name: impl Into<String>) -> Self {
        self.fields.payload = name.into();
        self
    }

    /// Sets which field of an entry is the message's id, as its producer sends it. Default: none, and the id is that of the
    /// entry, which is another one in what the producer sends a second time. Entries in which the field is missing, empty, or no
    /// UTF-8 are [parked](crate::consumer::ParkReason::InvalidKey).
    #[must_use]
    pub fn id_field(mut self, name: impl Into<String>) -> Self {
        self.fields.id = Some(name.into());
        self
    }
}

impl Running {
    /// The next one in hand.
    fn take(&mut self, fields: &Fields) -> Option<Delivery> {
        let (entry, asked) = self.received.pop_front()?;
        Some(self.delivery(entry, asked, fields))
    }

    fn delivery(&mut self, entry: Entry, asked: Instant, fields: &Fields) -> Delivery {
        let shared = Arc::clone(&self.shared);
        let mut read = entry.read(&shared.group.stream, fields);
        if read.id().is_empty() && !self.has_warned {
            self.has_warned = true;
            tracing::warn!("a message cannot be told from others: {}", why_without_id(&entry.id));
        }
        if let Some(behind) = shared.lag.get() {
            read = read.with_behind(behind);
        }
        let deadline = shared.group.min_idle;
        let settle = RedisDelivery::new(shared, entry, read.clone());
        Delivery::new(read, settle).with_deadline(deadline).received_at(asked)
    }

    fn receive(&mut self, batch: Batch) {
        let asked = batch.asked.unwrap_or_else(Instant::now);
        self.received.extend(batch.entries.into_iter().map(|entry| (entry, asked)));
    }
}

#[async_trait]
impl Source for RedisStreamSource {
    async fn start(&mut self, needs: &Needs) -> Result<Terms, SourceError> {
        let commands = self.store.commands();
        let (stream, name) = (self.stream.clone(), self.group.clone());
        let group = Group::new(commands, stream, name, self.min_idle, needs.ttl);
        start(&group, self.creates, &self.dead_letters).await?;
        let dead_letters = DeadLetters {
            stream: self.dead_letters.clone(),
            consumer: needs.consumer.clone(),
            is_in_one_slot: group.commands.share_a_slot(&[&group.stream, &self.dead_letters]),
        };
        let default = (self.min_idle / LOOKS).clamp(SHORTEST_CLAIM_PAUSE, LONGEST_CLAIM_PAUSE);
        let shared = Arc::new(Shared {
            group,
            dead_letters,
            consumer: needs.consumer.clone(),
            creates: self.creates,
            claim_every: self.claim_every.unwrap_or(default),
            lag: Lag::default(),
            is_stopped: AtomicBool::new(false),
        });
        let pull = Pull::new(Arc::clone(&shared));
        self.started = Some(Running { shared, pull, received: VecDeque::new(), has_warned: false });
        let destination = format!("{}/{}", self.stream, self.group);
        let terms = Terms::new("redis", destination).deadline(self.min_idle);
        Ok(terms.lateness(self.claim_every.unwrap_or(default)))
    }

    async fn next(&mut self, room: NonZeroUsize) -> Result<Delivery, SourceError> {
        let Some(running) = &mut self.started else {
            return Err(SourceError::misconfigured("the source was not started"));
        };
        loop {
            if let Some(delivery) = running.take(&self.fields) {
                return Ok(delivery);
            }
            let batch = running.pull.next(room.get()).await?;
            running.receive(batch);
        }
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        let Some(running) = &mut self.started else { return Ok(()) };
        let batch = running.pull.stop().await;
        running.receive(batch);
        let mut failed = None;
        while let Some(delivery) = running.take(&self.fields) {
            if let Err(error) = delivery.settle(&Verdict::GivenBack).await {
                failed.get_or_insert(SourceError::unavailable(error));
            }
        }
        running.shared.is_stopped.store(true, Ordering::Relaxed);
        let left = running.shared.group.leave(true).await;
        failed.map_or_else(|| left.map(drop).map_err(SourceError::unavailable), Err)
    }
}

impl fmt::Debug for RedisStreamSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStreamSource")
            .field("stream", &self.stream)
            .field("group", &self.group)
            .field("dead_letters", &self.dead_letters)
            .field("min_idle", &self.min_idle)
            .finish_non_exhaustive()
    }
}
