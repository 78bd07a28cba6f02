//! The journals of calls: a hash beside the record, in the same slot, which expires and goes with its reservation.

use redis::{Cmd, Value};

use super::connection::Retry;
use super::entry::{StoredValue, entry};
use super::error::{store_error, unexpected};
use super::key::{JournaledKey, journal_of};
use super::lifetime::{due_millis, grace, millis};
use super::script::{Script, ScriptKeys, head};
use super::shared::Shared;
use crate::model::{Guarantee, MalformedRecord, RecordId, StepEntry, StepId, Token};
use crate::store::{
    Replaces, Resume, ResumeOutcome, StoreError, StoreErrorKind, Suspend, WithoutJournal,
    WriteStep, WriteStepOutcome,
};

/// The field that has the journal's name. Those of steps are 32 bytes long.
const NAME: &[u8] = b"name";

const MISSING: &str = "the call has a journal of steps, and it is gone without its record: the server evicted it, or \
                       somebody deleted it";

pub(super) async fn write_step(
    store: &Shared,
    request: &WriteStep<'_>,
) -> Result<WriteStepOutcome, StoreError> {
    let Some(name) = request.record.journal() else { return Err(MalformedRecord::Broken.into()) };
    let key = store.keys.journaled(request.id);
    if is_plain(request) {
        return record_step(store, request, name, &key).await;
    }
    // Boxed, so that the future of most steps has no room for it.
    Box::pin(write_any_step(store, request, name, &key)).await
}

/// Whether the step has a result, and its call neither an input nor *at most once*, unless the journal is there already, as
/// far as its owner knows. Then neither the record nor the entry is read that may stand there.
fn is_plain(request: &WriteStep<'_>) -> bool {
    let (record, replaces_anything) =
        (request.record, matches!(request.replaces, Replaces::Anything));
    let is_usual = record.guarantee() == Guarantee::AtLeastOnce && !record.has_input();
    let is_result = replaces_anything && !request.begins && request.also.is_empty();
    is_result && (request.is_marked || is_usual)
}

/// Writes such a step. If the record turns out to be another one than its owner knows, the script for any step decides.
async fn record_step(
    store: &Shared,
    request: &WriteStep<'_>,
    name: Token,
    key: &JournaledKey,
) -> Result<WriteStepOutcome, StoreError> {
    let sent = with_recording(store, request, name, key, |script, keys, arguments| {
        store.run_known(script, keys, arguments, is_written)
    });
    let answer = sent.await.map_err(store_error)?;
    let is_known = answer.is_some();
    if let Some(outcome) = answer.as_ref().map(recorded).transpose()?.flatten() {
        return Ok(outcome);
    }
    let rest = async {
        if !is_known {
            let command = with_recording(store, request, name, key, Script::by_code);
            let answer = store.write_replicated(key.record(), &command, is_written).await;
            if let Some(outcome) = recorded(&answer.map_err(store_error)?)? {
                return Ok(outcome);
            }
        }
        write_any_step(store, request, name, key).await
    };
    Box::pin(store.bounded(rest)).await
}

/// Makes something of the script for such a step, its keys and its arguments.
fn with_recording<'a, T>(
    store: &'a Shared,
    request: &WriteStep<'_>,
    name: Token,
    key: &'a JournaledKey,
    make: impl FnOnce(&'a Script, ScriptKeys<'a>, &[&[u8]]) -> T,
) -> T {
    let (scripts, keys, record) = (&store.scripts, keys_of(key), request.record);
    let [name, step, entry] =
        [&name.as_bytes()[..], &request.step.as_bytes()[..], request.entry.as_bytes()];
    if request.is_marked {
        return make(&scripts.record_step, keys, &[head(record), name, step, entry]);
    }
    let grace = grace(record).to_string();
    let arguments = [record.as_bytes(), name, step, entry, grace.as_bytes()];
    make(&scripts.begin_journal, keys, &arguments)
}

fn keys_of(key: &JournaledKey) -> ScriptKeys<'_> {
    ScriptKeys::with(key.record(), Some(key.journal()), None)
}

fn is_written(answer: &Value) -> bool {
    *answer == Value::Int(1)
}

/// `None` if the record turns out to be another one, and the other script must decide.
fn recorded(answer: &Value) -> Result<Option<WriteStepOutcome>, StoreError> {
    match answer {
        Value::Int(1) => Ok(Some(WriteStepOutcome::Written)),
        Value::Int(3) => Err(missing()),
        Value::Int(4) => Ok(None),
        answer => Err(store_error(unexpected(answer))),
    }
}

async fn write_any_step(
    store: &Shared,
    request: &WriteStep<'_>,
    name: Token,
    key: &JournaledKey,
) -> Result<WriteStepOutcome, StoreError> {
    let (may_replace, replaced): (&[u8], &[u8]) = match request.replaces {
        Replaces::Nothing => (b"0", b""),
        Replaces::Anything => (b"1", b""),
        Replaces::Entry(entry) => (b"2", entry.as_bytes()),
    };
    let begins: &[u8] = if request.begins { b"1" } else { b"0" };
    let mut arguments = Vec::with_capacity(8 + 2 * request.also.len());
    arguments.extend([request.record.as_bytes(), &name.as_bytes()[..], begins]);
    arguments.extend([may_replace, replaced, &request.step.as_bytes()[..]]);
    arguments.push(request.entry.as_bytes());
    for (step, entry) in request.also {
        arguments.extend([&step.as_bytes()[..], entry.as_bytes()]);
    }
    // Only a step that is settled may make its call due.
    let settles = matches!(request.replaces, Replaces::Entry(_)) && !request.begins;
    let is_due = settles && request.record.has_input();
    let due = is_due.then(|| store.keys.due_of(request.id, key.record()));
    if due.is_some() {
        arguments.push(store.keys.due_entry(key.record()).as_bytes());
    }
    let scripts = &store.scripts;
    let script = if request.begins { &scripts.begin_step } else { &scripts.write_step };
    let keys = ScriptKeys::with(key.record(), Some(key.journal()), due.as_deref());
    let answer = store.run_replicated(script, keys, &arguments, is_written);
    match answer.await.map_err(store_error)? {
        Value::Int(1) => Ok(WriteStepOutcome::Written),
        Value::Int(0) => Ok(WriteStepOutcome::Fenced),
        Value::Int(2) => Ok(WriteStepOutcome::Conflict),
        Value::Int(3) => Err(missing()),
        answer => Err(store_error(unexpected(&answer))),
    }
}

pub(super) async fn load_steps(
    store: &Shared,
    id: &RecordId,
    journal: Token,
) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
    let key = store.keys.of(id);
    let mut command = Cmd::new();
    command.arg("HGETALL").arg(journal_of(&key));
    let answer = store.client.send(&key, &command, Retry::Once).await.map_err(store_error)?;
    read_steps(answer, journal)
}

/// The steps of a hash, if it is the journal of this name.
fn read_steps(hash: Value, journal: Token) -> Result<Vec<(StepId, StepEntry)>, StoreError> {
    let mut is_named = false;
    let fields = match &hash {
        Value::Map(fields) => fields.len(),
        Value::Array(fields) => fields.len() / 2,
        _ => 0,
    };
    let mut steps = Vec::with_capacity(fields);
    let mut read = |field: Value, value: Value| {
        let (Value::BulkString(field), Value::BulkString(value)) = (field, value) else {
            return Err(store_error(unexpected(&Value::Nil)));
        };
        if field == NAME {
            is_named = value == journal.as_bytes();
            return Ok(());
        }
        let step: [u8; 32] = field.as_slice().try_into().map_err(|_| MalformedRecord::Broken)?;
        steps.push((StepId::from_bytes(step), StepEntry::from_bytes(&value)?));
        Ok(())
    };
    match hash {
        Value::Map(fields) => {
            fields.into_iter().try_for_each(|(field, value)| read(field, value))?;
        }
        Value::Array(fields) => {
            let mut fields = fields.into_iter();
            while let (Some(field), Some(value)) = (fields.next(), fields.next()) {
                read(field, value)?;
            }
        }
        answer => return Err(store_error(unexpected(&answer))),
    }
    Ok(if is_named { steps } else { Vec::new() })
}

pub(super) async fn resume(
    store: &Shared,
    request: &Resume<'_>,
) -> Result<ResumeOutcome, StoreError> {
    let key = store.keys.of(request.id);
    let (seen, lease) = (request.seen.as_bytes(), millis(request.lease).to_string());
    let name = request.record.journal();
    let name = name.as_ref().map_or(&[][..], |name| name.as_bytes());
    let journal = journal_of(&key);
    let due = request.record.has_input().then(|| store.keys.due_of(request.id, &key));
    let due_in = due_millis(request.due_in).to_string();
    let mut arguments = Vec::with_capacity(6);
    arguments.extend([seen, request.record.as_bytes(), lease.as_bytes(), name]);
    if due.is_some() {
        arguments.extend([due_in.as_bytes(), store.keys.due_entry(&key).as_bytes()]);
    }
    let keys = ScriptKeys::with(&key, Some(&journal), due.as_deref());
    let script = &store.scripts.resume;
    let answer = store.run_replicated(script, keys, &arguments, |answer| *answer == Value::Int(1));
    match answer.await.map_err(store_error)? {
        Value::Int(1) => Ok(ResumeOutcome::Won),
        Value::Int(0) => Ok(ResumeOutcome::Gone),
        Value::Int(3) => Err(missing()),
        Value::Array(mut pair) => match (pair.pop(), pair.pop(), pair.is_empty()) {
            (Some(Value::Int(pttl)), Some(Value::BulkString(value)), true) => {
                Ok(ResumeOutcome::Taken(entry(&StoredValue { value, pttl })?))
            }
            _ => Err(store_error(unexpected(&Value::Array(pair)))),
        },
        answer => Err(store_error(unexpected(&answer))),
    }
}

/// A write that a failover undoes costs nothing but time: the reservation lapses with its lease. Not so what somebody says of
/// a step, and whom that fences.
pub(super) async fn suspend(store: &Shared, request: &Suspend<'_>) -> Result<(), StoreError> {
    let key = store.keys.of(request.id);
    let token = request.reservation.token();
    let ends_now: &[u8] = if request.ends_lease() { b"1" } else { b"0" };
    let otherwise = match request.otherwise {
        WithoutJournal::Release => b"",
        WithoutJournal::Abandon(record) => record.as_bytes(),
    };
    let due = request.reservation.has_input().then(|| store.keys.due_of(request.id, &key));
    let due_in = request.due_in.filter(|_| request.suspended.has_input());
    let due_in = due_in.map_or_else(String::new, |due_in| due_millis(due_in).to_string());
    let mut arguments = Vec::with_capacity(6 + 3 * request.settles.len());
    arguments.extend([&token.as_bytes()[..], request.suspended.as_bytes(), ends_now, otherwise]);
    for (step, seen, entry) in request.settles {
        arguments.extend([&step.as_bytes()[..], seen.as_bytes(), entry.as_bytes()]);
    }
    if due.is_some() {
        arguments.extend([due_in.as_bytes(), store.keys.due_entry(&key).as_bytes()]);
    }
    let journal = journal_of(&key);
    let keys = ScriptKeys::with(&key, Some(&journal), due.as_deref());
    let script = &store.scripts.suspend;
    let is_said = !request.settles.is_empty() || request.suspended.token() != token;
    let answer = if is_said {
        store.run_replicated(script, keys, &arguments, |answer| *answer == Value::Int(1)).await
    } else {
        store.run(script, keys, &arguments, Retry::Once).await
    };
    match answer.map_err(store_error)? {
        Value::Int(_) => Ok(()),
        answer => Err(store_error(unexpected(&answer))),
    }
}

fn missing() -> StoreError {
    StoreError::new(StoreErrorKind::Malformed, MISSING)
}
