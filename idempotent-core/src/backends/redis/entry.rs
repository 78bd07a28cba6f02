//! Loads a key's value and the time that it has left, and tells what state they are.

use std::time::Duration;

use redis::{Pipeline, RedisError, Value};

use super::error::unexpected;
use super::lifetime::grace;
use crate::model::{Outcome, Record};
use crate::store::{Entry, State, StoreError};

/// A key's value, and its `PTTL`: how many milliseconds it has left, or -1 if it does not expire.
pub(super) struct StoredValue {
    pub(super) value: Vec<u8>,
    pub(super) pttl: i64,
}

/// How many commands load one key.
pub(super) const LOAD_COMMANDS: usize = 4;

/// The commands that read a value and its time at the same moment. `MULTI` and `EXEC` are sent as plain
/// commands, so that a cluster's redirect of any of them is noticed.
pub(super) fn load_commands(key: &str) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(LOAD_COMMANDS);
    push_load_commands(&mut pipeline, key.as_bytes());
    pipeline
}

pub(super) fn push_load_commands(pipeline: &mut Pipeline, key: &[u8]) {
    pipeline.cmd("MULTI");
    pipeline.cmd("GET").arg(key);
    pipeline.cmd("PTTL").arg(key);
    pipeline.cmd("EXEC");
}

/// Reads the answers to the commands that load one key.
pub(super) fn parse_load(answers: Vec<Value>) -> Result<Option<StoredValue>, RedisError> {
    let mut last = Value::Nil;
    for answer in answers {
        last = answer.extract_error()?;
    }
    parse_pair(last)
}

/// Reads a value and its time. Without a value there is no key.
pub(super) fn parse_pair(answer: Value) -> Result<Option<StoredValue>, RedisError> {
    let pair = match answer {
        Value::Nil => return Ok(None),
        Value::Array(pair) => pair,
        other => return Err(unexpected(&other)),
    };
    let mut pair = pair.into_iter();
    match (pair.next(), pair.next()) {
        (Some(Value::Nil), Some(_)) => Ok(None),
        (Some(Value::BulkString(value)), Some(Value::Int(pttl))) => {
            Ok(Some(StoredValue { value, pttl }))
        }
        (Some(Value::ServerError(error)), _) => Err(error.into()),
        (other, _) => Err(unexpected(&other.unwrap_or_default())),
    }
}

/// The record of a stored value, and its state.
pub(super) fn entry(stored: &StoredValue) -> Result<Entry, StoreError> {
    let pttl = stored.pttl;
    let record = Record::from_bytes(&stored.value)?;
    let remaining = u64::try_from(pttl).ok().map(Duration::from_millis);
    if !matches!(record.outcome(), Outcome::Reserved) {
        return Ok(Entry::new(record, State::Completed, remaining));
    }
    let grace = grace(&record);
    // A key that somebody made persistent never lapses. The scripts do the same.
    if grace > 0 && (0..=grace).contains(&pttl) {
        let state = if record.suspends() { State::Suspended } else { State::Indeterminate };
        return Ok(Entry::new(record, state, remaining));
    }
    let lease_left = u64::try_from(pttl.saturating_sub(grace)).ok().map(Duration::from_millis);
    Ok(Entry::new(record, State::Reserved, lease_left))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backends::redis::lifetime::lifetime;
    use crate::model::{Envelope, Guarantee, Token};

    fn reservation(guarantee: Guarantee, retention: Duration) -> Record {
        let envelope = Envelope { guarantee, retention, ..Envelope::new("shop::charge") };
        Record::reserved(&envelope, Token::random())
    }

    fn state(record: &Record, pttl: i64) -> (State, Option<Duration>) {
        let entry = entry(&StoredValue { value: record.as_bytes().to_vec(), pttl }).unwrap();
        (entry.state, entry.remaining)
    }

    #[test]
    fn a_reservation_under_at_most_once_lapses_when_its_retention_begins() {
        let record = reservation(Guarantee::AtMostOnce, Duration::from_secs(10));
        let millis = Duration::from_millis;
        assert_eq!(state(&record, 10_001), (State::Reserved, Some(millis(1))));
        assert_eq!(state(&record, 10_000), (State::Indeterminate, Some(millis(10_000))));
        assert_eq!(state(&record, 0), (State::Indeterminate, Some(millis(0))));
    }

    #[test]
    fn a_key_that_was_made_persistent_never_lapses() {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
            let record = reservation(guarantee, Duration::from_secs(10));
            assert_eq!(state(&record, -1), (State::Reserved, None));
            assert_eq!(state(&record.completed(b""), -1), (State::Completed, None));
        }
    }

    #[test]
    fn the_longest_lifetime_is_one_that_servers_accept() {
        let record = reservation(Guarantee::AtMostOnce, Duration::MAX);
        let lifetime = lifetime(&record, Duration::MAX);
        assert!(lifetime < i64::MAX / 1_000_000, "{lifetime}");
        assert_eq!(state(&record, lifetime).0, State::Reserved);
    }
}
