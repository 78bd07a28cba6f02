//! [`Group`]: the group that is read, its keys, and this source's place in it.

use std::time::Duration;

use redis::{Cmd, RedisError, RedisResult, Value};

use super::received;
use super::scripts::Scripts;
use crate::backends::redis::Commands;
use crate::model::Token;

/// How the names of consumers begin.
const MEMBER_PREFIX: &str = "idempotent-";
/// After this long a consumer of which nobody hears is taken for dead.
const DEAD_AFTER: Duration = Duration::from_secs(86_400);

/// Where a group begins to read that a source creates. See
/// [`create_group`](super::RedisStreamSource::create_group).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StartAt {
    /// With the oldest message that the stream has.
    Oldest,
    /// With the first message that is published from now on.
    New,
}

impl StartAt {
    const fn id(self) -> &'static str {
        match self {
            Self::Oldest => "0",
            Self::New => "$",
        }
    }
}

/// A group of a stream, with a consumer of its own in it.
pub(super) struct Group {
    pub(super) commands: Commands,
    pub(super) scripts: Scripts,
    pub(super) stream: String,
    pub(super) name: String,
    /// Keeps until when entries are delayed for whom the time that a server counts is too short.
    pub(super) delayed: String,
    /// This source's name in the group. No other one has it, so it tells whose an entry is.
    pub(super) member: String,
    pub(super) min_idle: Duration,
    /// How long the consumer remembers that a message was handled, if that is known.
    ttl: Option<Duration>,
}

impl Group {
    pub(super) fn new(
        commands: Commands,
        stream: String,
        name: String,
        min_idle: Duration,
        ttl: Option<Duration>,
    ) -> Self {
        let member = format!("{MEMBER_PREFIX}{}", Token::random());
        let delayed = delayed_key(&stream, &name);
        let scripts = Scripts::new();
        Self { commands, scripts, stream, name, delayed, member, min_idle, ttl }
    }

    /// Creates it, and the stream, unless they are there.
    pub(super) async fn create(&self, at: StartAt) -> RedisResult<()> {
        let mut create = Cmd::new();
        create.arg("XGROUP").arg("CREATE").arg(&self.stream).arg(&self.name);
        create.arg(at.id()).arg("MKSTREAM");
        match self.commands.repeatable(&self.stream, &create).await {
            Err(error) if error.code() == Some("BUSYGROUP") => Ok(()),
            created => created.map(drop),
        }
    }

    /// Whether the consumer remembers all messages of the stream that were handled: its oldest entry is younger than that.
    pub(super) async fn remembers_all(&self) -> RedisResult<bool> {
        let mut oldest = Cmd::new();
        oldest.arg("XRANGE").arg(&self.stream).arg("-").arg("+").arg("COUNT").arg(1);
        let oldest = match self.commands.repeatable(&self.stream, &oldest).await? {
            Value::Array(mut entries) => entries.pop(),
            _ => None,
        };
        let (Some(Value::Array(entry)), Some(ttl)) = (oldest, self.ttl) else { return Ok(true) };
        let id = entry.into_iter().next().and_then(received::bytes).unwrap_or_default();
        let Some(published) = std::str::from_utf8(&id).ok().and_then(received::published_at) else {
            return Ok(false);
        };
        let mut time = Cmd::new();
        time.arg("TIME");
        let now: (u64, u64) =
            redis::from_redis_value(self.commands.repeatable(&self.stream, &time).await?)?;
        let age = Duration::from_secs(now.0).saturating_sub(published);
        Ok(age < ttl)
    }

    /// How many milliseconds an entry is idle before it is claimed.
    pub(super) fn min_idle_millis(&self) -> String {
        millis(self.min_idle).to_string()
    }

    /// Removes this source's consumer from the group, and those of dead processes, unless messages are pending for them.
    pub(super) async fn leave(&self, is_leaving: bool) -> RedisResult<Value> {
        let member = if is_leaving { self.member.as_bytes() } else { b"" };
        let dead_after = millis(DEAD_AFTER).to_string();
        let arguments =
            [self.name.as_bytes(), member, MEMBER_PREFIX.as_bytes(), dead_after.as_bytes()];
        self.commands.run(&self.scripts.leave, &[&self.stream], &arguments).await
    }
}

/// A key in the stream's slot.
fn delayed_key(stream: &str, group: &str) -> String {
    let tag = stream.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    match tag {
        Some((tag, _)) if !tag.is_empty() => format!("{stream}:{group}:delayed"),
        _ => format!("{{{stream}}}:{group}:delayed"),
    }
}

/// Whether the group is not there, or its stream.
pub(super) fn is_gone(error: &RedisError) -> bool {
    error.code() == Some("NOGROUP")
}

/// Whether the key has no stream.
pub(super) fn is_no_stream(error: &RedisError) -> bool {
    error.code() == Some("WRONGTYPE")
}

/// In whole milliseconds, rounded up.
pub(super) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delayed_entries_are_in_the_slot_of_the_stream() {
        assert_eq!(delayed_key("orders", "ship"), "{orders}:ship:delayed");
        assert_eq!(delayed_key("{shop}:orders", "ship"), "{shop}:orders:ship:delayed");
        assert_eq!(delayed_key("a{b", "ship"), "{a{b}:ship:delayed");
    }

    #[test]
    fn a_duration_is_never_rounded_down() {
        assert_eq!(millis(Duration::from_nanos(1)), 1);
        assert_eq!(millis(Duration::from_millis(7)), 7);
        assert_eq!(millis(Duration::MAX), u64::MAX);
    }
}
