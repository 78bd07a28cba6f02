//! Loads a key's value and the time that it has left, and tells what state they are.

use std::time::Duration;

use redis::{Cmd, Pipeline, RedisError, Value};

use super::error::unexpected;
use super::lifetime::grace;
use crate::model::{Outcome, Record, RecordId};
use crate::store::{Entry, State, StoreError};

/// A key's value, and its `PTTL`: how many milliseconds it has left, or -1 if it does not expire.
pub(super) struct StoredValue {
    pub(super) value: Vec<u8>,
    pub(super) pttl: i64,
}

/// Where the outcome is in a record, and its value in a reservation.
pub(super) const OUTCOME_AT: usize = 1;
pub(super) const RESERVED: u8 = 0;

/// What `PTTL` answers for a key that is not there.
const NO_SUCH_KEY: i64 = -2;

/// The commands that read a value and its time at the same moment. `MULTI` and `EXEC` are sent as plain
/// commands, so that a cluster's redirect of any of them is noticed.
pub(super) fn load_commands(key: &str) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(4);
    pipeline.cmd("MULTI");
    pipeline.cmd("GET").arg(key);
    pipeline.cmd("PTTL").arg(key);
    pipeline.cmd("EXEC");
    pipeline
}

/// The commands that read several values, and then their times. Only what is completed stays the same in between.
pub(super) fn read_all_commands(keys: &[(Vec<u8>, RecordId)], share_a_slot: bool) -> Pipeline {
    let mut pipeline = Pipeline::with_capacity(2 * keys.len());
    if share_a_slot {
        pipeline.cmd("MGET");
        for (key, _) in keys {
            pipeline.arg(key);
        }
    } else {
        for (key, _) in keys {
            pipeline.cmd("GET").arg(key);
        }
    }
    for (key, _) in keys {
        let mut pttl = Cmd::with_capacity(2, "PTTL".len() + key.len());
        pttl.arg("PTTL").arg(key);
        pipeline.add_command(pttl);
    }
    pipeline
}

/// Reads the answers to the commands that read several keys: for each its value and its time, or that there is no such key.
/// `None` is a key that has to be loaded in one moment, since it has a reservation, or that has to be asked for by itself.
pub(super) fn parse_read_all(
    answers: Vec<Value>,
    keys: usize,
    share_a_slot: bool,
) -> Vec<Option<Option<StoredValue>>> {
    let mut answers = answers.into_iter();
    let values = match (share_a_slot, answers.next()) {
        (true, Some(Value::Array(values))) if values.len() == keys => values,
        (false, Some(first)) => {
            std::iter::once(first).chain(answers.by_ref().take(keys - 1)).collect()
        }
        _ => return (0..keys).map(|_| None).collect(),
    };
    values.into_iter().map(|value| pair(value, answers.next()).filter(is_settled)).collect()
}

/// Whether a value and a time that were read one after the other belong together.
fn is_settled(stored: &Option<StoredValue>) -> bool {
    stored.as_ref().is_none_or(|stored| stored.value.get(OUTCOME_AT) != Some(&RESERVED))
}

/// A value and its time; `None` if that is for another look.
fn pair(value: Value, pttl: Option<Value>) -> Option<Option<StoredValue>> {
    match (value, pttl) {
        // Also a key that ended between the two: older servers let time go on within a transaction.
        (Value::Nil | Value::BulkString(_), Some(Value::Int(NO_SUCH_KEY))) => Some(None),
        (Value::BulkString(value), Some(Value::Int(pttl))) => {
            Some(Some(StoredValue { value, pttl }))
        }
        _ => None,
    }
}

/// The commands that read several values and their times at the same moment.
pub(super) fn push_load_all_commands<'a>(
    pipeline: &mut Pipeline,
    keys: impl Iterator<Item = &'a [u8]> + Clone,
) {
    pipeline.cmd("MULTI");
    pipeline.cmd("MGET");
    for key in keys.clone() {
        pipeline.arg(key);
    }
    for key in keys {
        pipeline.cmd("PTTL").arg(key);
    }
    pipeline.cmd("EXEC");
}

/// How many commands load so many keys.
pub(super) const fn load_all_commands(keys: usize) -> usize {
    keys + 3
}

/// Reads the answers to the commands that load so many keys: for each its value and its time, or that there is no such key.
/// `None` is a key that has to be asked for by itself, since the transaction failed or its value is of another type.
pub(super) fn parse_load_all(
    answers: impl Iterator<Item = Value>,
    keys: usize,
) -> Vec<Option<Option<StoredValue>>> {
    let unknown = || (0..keys).map(|_| None).collect();
    let Some(Value::Array(done)) = answers.last() else { return unknown() };
    let mut done = done.into_iter();
    let Some(Value::Array(values)) = done.next() else { return unknown() };
    if values.len() != keys {
        return unknown();
    }
    values.into_iter().map(|value| pair(value, done.next())).collect()
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

    fn value(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    /// The value and lifetime of a key, if it is there, if that is known.
    type Loaded = Option<Option<(Vec<u8>, i64)>>;

    fn loaded(answers: Vec<Value>) -> Vec<Loaded> {
        let loaded = parse_load_all(answers.into_iter(), 3);
        loaded.into_iter().map(|it| it.map(|it| it.map(|it| (it.value, it.pttl)))).collect()
    }

    #[test]
    fn of_several_keys_each_is_there_or_gone_or_has_to_be_asked_for_by_itself() {
        let values = Value::Array(vec![value("a"), Value::Nil, Value::Nil]);
        let times = [10, NO_SUCH_KEY, 10].map(Value::Int);
        let done = Value::Array([vec![values], times.to_vec()].concat());
        let answers = vec![Value::Okay, Value::Okay, done];
        assert_eq!(loaded(answers), [Some(Some((b"a".to_vec(), 10))), Some(None), None]);
    }

    #[test]
    fn a_key_that_ends_between_its_value_and_its_time_is_gone() {
        let values = Value::Array(vec![value("a"), value("b"), value("c")]);
        let times = [10, NO_SUCH_KEY, -1].map(Value::Int);
        let done = Value::Array([vec![values], times.to_vec()].concat());
        let expected =
            [Some(Some((b"a".to_vec(), 10))), Some(None), Some(Some((b"c".to_vec(), -1)))];
        assert_eq!(loaded(vec![Value::Okay, done]), expected);
    }

    #[test]
    fn of_a_transaction_that_failed_each_key_has_to_be_asked_for_by_itself() {
        let odd = Value::Array(vec![Value::Array(vec![value("a")]), Value::Int(10)]);
        for answers in [vec![], vec![Value::Okay, Value::Nil], vec![Value::Okay, odd]] {
            assert_eq!(loaded(answers), [None, None, None]);
        }
    }

    /// As [`loaded`], of what was read one after the other.
    fn read(answers: Vec<Value>, share_a_slot: bool) -> Vec<Loaded> {
        let read = parse_read_all(answers, 3, share_a_slot);
        read.into_iter().map(|it| it.map(|it| it.map(|it| (it.value, it.pttl)))).collect()
    }

    #[test]
    fn only_what_is_completed_is_taken_with_a_time_that_was_read_later() {
        let completed = reservation(Guarantee::AtMostOnce, Duration::ZERO).completed(b"receipt");
        let reserved = reservation(Guarantee::AtMostOnce, Duration::ZERO);
        let bytes = |record: &Record| Value::BulkString(record.as_bytes().to_vec());
        let values = vec![bytes(&completed), bytes(&reserved), Value::Nil];
        let times = [10, 10, NO_SUCH_KEY].map(Value::Int).to_vec();
        let expected = [Some(Some((completed.as_bytes().to_vec(), 10))), None, Some(None)];
        let together = [vec![Value::Array(values.clone())], times.clone()].concat();
        assert_eq!(read(together, true), expected);
        assert_eq!(read([values, times].concat(), false), expected);
    }

    #[test]
    fn what_is_not_answered_in_full_has_to_be_asked_for_again() {
        for answers in [vec![], vec![Value::Array(vec![Value::Nil])], vec![Value::Okay; 4]] {
            assert_eq!(read(answers, true), [None, None, None]);
        }
        let moved = vec![Value::Okay; 6];
        assert_eq!(read(moved, false), [None, None, None]);
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
