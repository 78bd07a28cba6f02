//! [`Pull`]: reading new entries, and claiming those that others have left.
//!
//! A reading is kept until it has ended, so that none is lost whose caller goes away.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{Cmd, RedisError, RedisResult, Value};
use tokio::time::{Instant, timeout};

use super::group::{Group, StartAt, is_gone, is_no_stream, millis};
use super::received::{self, Entry};
use super::shared::Shared;
use super::trimmed;
use crate::consumer::SourceError;

/// How many pages of the pending entries are looked at in one go.
const PAGES: usize = 10;
/// A reading waits no longer than this, nor than this part of the time after which entries are claimed.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
const PER_IDLE_TIME: u32 = 8;
const FIRST_CURSOR: &str = "0-0";

/// Entries that were received together.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) entries: Vec<Entry>,
    /// When the server was asked for them, at the latest.
    pub(super) asked: Option<Instant>,
}

/// A reading that is under way, or none.
pub(super) struct Pull {
    shared: Arc<Shared>,
    reader: Option<Reader>,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = (Reader, Result<Batch, RedisError>)> + Send>>;

/// What reads.
struct Reader {
    shared: Arc<Shared>,
    /// Blocks until there is something, so nobody else may have it.
    connection: Option<MultiplexedConnection>,
    next_claim: Instant,
    /// How far the pending entries were looked at.
    cursor: String,
    has_just_claimed: bool,
}

impl Pull {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, reader: None, reading: None }
    }

    /// The next entries, at most `room`. None when it is time to look again.
    pub(super) async fn next(&mut self, room: usize) -> Result<Batch, SourceError> {
        let (reader, shared) = (&mut self.reader, &self.shared);
        let reading = self.reading.get_or_insert_with(|| -> Reading {
            let reader = reader.take().unwrap_or_else(|| Reader::new(Arc::clone(shared)));
            Box::pin(reader.read(room))
        });
        let (reader, batch) = reading.await;
        self.reading = None;
        self.reader = Some(reader);
        match batch {
            Ok(batch) => Ok(batch),
            Err(error) => explain(&self.shared, error).await,
        }
    }

    /// Waits for the reading that is under way, and returns what has come of it.
    pub(super) async fn stop(&mut self) -> Batch {
        let Some(reading) = &mut self.reading else { return Batch::default() };
        let (_, batch) = reading.await;
        self.reading = None;
        batch.unwrap_or_default()
    }
}

/// What an error means. A group that is gone is created again, if the source may do that, and reads all that the stream
/// has: what was handled before replays, unless it is so old that nobody remembers.
async fn explain(shared: &Shared, error: RedisError) -> Result<Batch, SourceError> {
    let Shared { group, creates, .. } = shared;
    if group.commands.is_closed() {
        return Err(SourceError::gone("the store whose connections it uses is closed"));
    }
    if is_no_stream(&error) {
        return Err(SourceError::gone(format!("`{}` is no stream any more", group.stream)));
    }
    // The stream was deleted while a reading waited for its next message.
    if error.code() == Some("UNBLOCKED") {
        return Ok(Batch::default());
    }
    if !is_gone(&error) {
        return Err(SourceError::unavailable(error));
    }
    if creates.is_none() {
        let (stream, name) = (&group.stream, &group.name);
        let text =
            format!("the group `{name}` or its stream `{stream}` was deleted while it was read");
        return Err(SourceError::gone(text));
    }
    if !group.remembers_all().await.map_err(SourceError::unavailable)? {
        let (stream, name) = (&group.stream, &group.name);
        let text = format!(
            "the group `{name}` is gone, and its stream `{stream}` has messages that are older than the `ttl` of the \
             consumer, or whose ids tell no time: they would run again. Create the group where it is to go on"
        );
        return Err(SourceError::gone(text));
    }
    tracing::warn!(
        stream = group.stream,
        group = group.name,
        "the group or its stream is gone, and is created again"
    );
    group.create(StartAt::Oldest).await.map_err(SourceError::unavailable)?;
    Ok(Batch::default())
}

impl Reader {
    fn new(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            connection: None,
            next_claim: Instant::now(),
            cursor: FIRST_CURSOR.to_owned(),
            has_just_claimed: false,
        }
    }

    async fn read(mut self, room: usize) -> (Self, Result<Batch, RedisError>) {
        let batch = self.try_read(room).await;
        if batch.is_err() {
            self.connection = None;
        }
        (self, batch)
    }

    /// Claims, if that is due, and reads otherwise. Both get their turn, however much there is of either.
    async fn try_read(&mut self, room: usize) -> Result<Batch, RedisError> {
        if !self.has_just_claimed && Instant::now() >= self.next_claim {
            self.has_just_claimed = true;
            let batch = self.claim(room).await?;
            if !batch.entries.is_empty() {
                return Ok(batch);
            }
        }
        self.has_just_claimed = false;
        // What comes at the end of a long wait would be taken for received at its beginning.
        let most = (self.shared.group.min_idle / PER_IDLE_TIME).min(LONGEST_WAIT);
        let wait = self.next_claim.saturating_duration_since(Instant::now()).min(most);
        self.read_new(room, wait).await
    }

    /// Claims entries that have been idle for long enough.
    async fn claim(&mut self, room: usize) -> Result<Batch, RedisError> {
        let shared = Arc::clone(&self.shared);
        for _ in 0..PAGES {
            let asked = Some(Instant::now());
            let (cursor, entries) = claim_page(&shared, &self.cursor, room).await?;
            let is_last = cursor == FIRST_CURSOR;
            self.cursor = cursor;
            if is_last {
                self.next_claim = Instant::now() + shared.claim_every;
            }
            if is_last || !entries.is_empty() {
                return Ok(Batch { entries, asked });
            }
        }
        Ok(Batch::default())
    }

    /// Reads what nobody has read yet, and waits for that long if there is nothing.
    async fn read_new(&mut self, room: usize, wait: Duration) -> Result<Batch, RedisError> {
        let shared = Arc::clone(&self.shared);
        let group = &shared.group;
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => group.commands.connect(&group.stream).await?,
        };
        let mut read = Cmd::new();
        read.arg("XREADGROUP").arg("GROUP").arg(&group.name).arg(&group.member);
        read.arg("COUNT").arg(room);
        // To block for no time is to block for ever.
        if !wait.is_zero() {
            read.arg("BLOCK").arg(millis(wait));
        }
        read.arg("STREAMS").arg(&group.stream).arg(">");
        let limit = wait + group.commands.response_timeout();
        let asked = Some(Instant::now());
        let answer = match timeout(limit, connection.req_packed_command(&read)).await {
            Ok(answer) => answer?.extract_error()?,
            Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        };
        self.connection = Some(connection);
        Ok(Batch { entries: entries_of(answer), asked })
    }
}

/// One page of the pending entries: the next cursor, and what was claimed.
async fn claim_page(
    shared: &Shared,
    cursor: &str,
    room: usize,
) -> RedisResult<(String, Vec<Entry>)> {
    let group: &Group = &shared.group;
    let (min_idle, room) = (group.min_idle_millis(), room.to_string());
    let arguments = [
        group.name.as_bytes(),
        group.member.as_bytes(),
        min_idle.as_bytes(),
        cursor.as_bytes(),
        room.as_bytes(),
    ];
    let keys = [group.stream.as_str(), group.delayed.as_str()];
    let answer = group.commands.run_once(&group.scripts.claim, &keys, &arguments).await?;
    let Value::Array(parts) = answer else { return Ok(none()) };
    let Ok([cursor, claimed, trimmed, lag]) = <[Value; 4]>::try_from(parts) else {
        return Ok(none());
    };
    if let Value::Array(ids) = trimmed {
        for id in ids.into_iter().filter_map(received::bytes) {
            trimmed::report_lost(&shared.consumer, &group.stream, &String::from_utf8_lossy(&id));
        }
    }
    if let Value::Int(lag) = lag {
        shared.lag.set(lag);
    }
    let claimed = match claimed {
        Value::Array(claimed) => claimed.into_iter().filter_map(claimed_entry).collect(),
        _ => Vec::new(),
    };
    let cursor = received::bytes(cursor).and_then(|it| String::from_utf8(it.into()).ok());
    Ok((cursor.unwrap_or_else(|| FIRST_CURSOR.to_owned()), claimed))
}

fn none() -> (String, Vec<Entry>) {
    (FIRST_CURSOR.to_owned(), Vec::new())
}

fn claimed_entry(value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let [id, deliveries, fields] = <[Value; 3]>::try_from(parts).ok()?;
    let Value::Int(deliveries) = deliveries else { return None };
    received::entry(id, u64::try_from(deliveries).unwrap_or(1), fields)
}

/// The entries of the only stream that was asked for.
fn entries_of(answer: Value) -> Vec<Entry> {
    let entries = match answer {
        Value::Array(mut streams) => match streams.pop() {
            Some(Value::Array(mut stream)) => stream.pop(),
            _ => None,
        },
        // Under RESP3.
        Value::Map(mut streams) => streams.pop().map(|(_, entries)| entries),
        _ => None,
    };
    let Some(Value::Array(entries)) = entries else { return Vec::new() };
    let entry = |entry| {
        let Value::Array(parts) = entry else { return None };
        let [id, fields] = <[Value; 2]>::try_from(parts).ok()?;
        received::entry(id, 1, fields)
    };
    entries.into_iter().filter_map(entry).collect()
}
