//! The JSON documents, one a line. `schema/output.json` describes them; a field is never removed and never changes its
//! meaning.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use idempotent_core::engine::{Inspection, RecordedResult};
use idempotent_core::http::StoredResponse;
use idempotent_core::model::{NotKept, OwnerState};
use idempotent_core::store::{State, Unreadable};
use serde::Serialize;

use super::derived::DerivedDocument;
use super::step_name::StepReference;
use super::steps::JournalDocument;
use super::text::{age, timestamp};
use super::value::{AsJson, Value};
use crate::args::StateName;

/// One document.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(crate) enum Document {
    /// A record.
    Record(Box<RecordDocument>),
    /// What stands in the place of a record and cannot be read.
    Unreadable {
        id: Option<String>,
        key: String,
        reason: String,
        /// Whether a newer version seems to have written it.
        newer: bool,
    },
    /// What `stats` counted.
    Stats {
        records: u64,
        bytes: u64,
        unreadable: u64,
        complete: bool,
        operations: Vec<OperationDocument>,
    },
    /// What became of one record.
    Change {
        command: &'static str,
        id: String,
        /// Only of `resolve-step` and `correct-step`.
        #[serde(skip_serializing_if = "Option::is_none")]
        step: Option<StepReference>,
        done: bool,
        dry_run: bool,
        audit: Option<String>,
        before: Option<Box<RecordDocument>>,
        after: Option<Box<RecordDocument>>,
    },
    /// What became of many records.
    Purge {
        matched: u64,
        states: BTreeMap<&'static str, u64>,
        scopes: u64,
        newest_seconds: Option<f64>,
        purged: u64,
        changed: u64,
        kept: BTreeMap<&'static str, u64>,
        without_scope: u64,
        longer_scope: u64,
        unreadable: u64,
        dry_run: bool,
        complete: bool,
        audit: Option<String>,
    },
    /// What was copied from one store to another, and what is left.
    Move {
        from: String,
        to: String,
        copied: u64,
        already_there: u64,
        corrected: u64,
        taken_back: u64,
        replaced: u64,
        left: LeftDocument,
        dry_run: bool,
        complete: bool,
        audit: Option<String>,
    },
    /// What was measured.
    Bench {
        store: String,
        operation: &'static str,
        tasks: u16,
        result_bytes: u32,
        complete: bool,
        rows: Vec<BenchRowDocument>,
        purged: u64,
        left: u64,
    },
    /// What has not ended.
    Watch {
        at: String,
        states: BTreeMap<&'static str, u64>,
        /// Those of them about which somebody must say something.
        in_doubt: u64,
        unreadable: u64,
        began_per_second: Option<f64>,
        ended_per_second: Option<f64>,
        oldest_seconds: Option<f64>,
        oldest: Vec<OldestDocument>,
    },
    /// Versions of the schema.
    Migration { missing: Vec<i32>, ran: Vec<i32>, dry_run: bool },
    /// How much is in the outbox.
    Backlog { pending: u64, oldest_pending_seconds: Option<f64>, parked: u64 },
    /// A parked message.
    Message(Box<MessageDocument>),
    /// What `doctor` found.
    Finding {
        code: &'static str,
        severity: &'static str,
        server: String,
        what: String,
        means: &'static str,
        mend: String,
    },
    /// What `doctor` looked at.
    Checkup { servers: Vec<String>, checks: u64, findings: u64, unknown: Vec<String> },
    /// What became of a message.
    MessageChange {
        command: &'static str,
        id: String,
        done: bool,
        dry_run: bool,
        audit: Option<String>,
    },
}

/// What `stats` counted of one operation.
#[derive(Debug, Serialize)]
pub(crate) struct OperationDocument {
    pub(crate) operation: String,
    pub(crate) records: u64,
    pub(crate) bytes: u64,
    pub(crate) states: BTreeMap<&'static str, u64>,
    pub(crate) oldest_seconds: f64,
    pub(crate) oldest_unfinished_seconds: Option<f64>,
}

/// What a move has left.
#[derive(Debug, Serialize)]
pub(crate) struct LeftDocument {
    pub(crate) running: u64,
    pub(crate) suspended: u64,
    pub(crate) indeterminate: u64,
    pub(crate) busy: u64,
    pub(crate) conflicts: u64,
    pub(crate) unreadable: u64,
    pub(crate) without_expiry: u64,
}

/// What was measured of one request.
#[derive(Debug, Serialize)]
pub(crate) struct BenchRowDocument {
    pub(crate) what: &'static str,
    pub(crate) count: u64,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p95_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) max_ms: f64,
}

/// One of the oldest calls that have not ended.
#[derive(Debug, Serialize)]
pub(crate) struct OldestDocument {
    pub(crate) id: String,
    pub(crate) state: &'static str,
    pub(crate) age_seconds: f64,
}

/// A message of the outbox.
#[derive(Debug, Serialize)]
pub(crate) struct MessageDocument {
    pub(crate) id: String,
    pub(crate) topic: String,
    pub(crate) key: String,
    pub(crate) published: String,
    pub(crate) parked: String,
    pub(crate) attempts: u32,
    pub(crate) reason: String,
    pub(crate) bytes: usize,
    /// Only of `outbox show`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) content: Option<ContentDocument>,
}

/// What a message says.
#[derive(Debug, Serialize)]
pub(crate) struct ContentDocument {
    pub(crate) headers: Vec<(String, String)>,
    /// `utf-8` or `base64`.
    pub(crate) encoding: &'static str,
    pub(crate) payload: String,
}

/// A record.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RecordDocument {
    pub(crate) id: String,
    pub(crate) operation: String,
    pub(crate) key: Option<String>,
    pub(crate) scope: Option<String>,
    pub(crate) state: &'static str,
    pub(crate) tombstone: Option<&'static str>,
    pub(crate) resolved: bool,
    pub(crate) guarantee: &'static str,
    pub(crate) owner: &'static str,
    /// Who goes on with a call that is suspended; null for all others.
    pub(crate) resumed_by: Option<&'static str>,
    pub(crate) last_error: Option<String>,
    pub(crate) created: String,
    pub(crate) age_seconds: f64,
    pub(crate) lease_seconds: f64,
    pub(crate) remaining_seconds: Option<f64>,
    pub(crate) retention_seconds: f64,
    pub(crate) token: String,
    pub(crate) fingerprint: Option<String>,
    pub(crate) version: u32,
    pub(crate) bytes: usize,
    pub(crate) result_types: Option<TypesDocument>,
    pub(crate) trace_parent: Option<String>,
    /// Only of `show`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) result: Option<ResultDocument>,
    /// Only of `show`, and only of a call that has a journal or an input.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) journal: Option<JournalDocument>,
    /// Only of `show --derive`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) derived: Vec<DerivedDocument>,
}

/// The types of a result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct TypesDocument {
    pub(crate) ok: String,
    pub(crate) err: Option<String>,
}

/// A result.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ResultDocument {
    pub(crate) is_error: bool,
    /// `messagepack`, `response` or `binary`.
    pub(crate) encoding: &'static str,
    pub(crate) value: AsJson,
}

impl Document {
    pub(crate) fn record(seen: &Inspection, now: SystemTime) -> Self {
        Self::Record(Box::new(RecordDocument::new(seen, now)))
    }

    pub(crate) fn unreadable(found: &Unreadable) -> Self {
        Self::Unreadable {
            id: found.id.as_ref().map(ToString::to_string),
            key: found.key.clone(),
            reason: found.reason.clone(),
            newer: found.is_newer,
        }
    }

    /// The document in one line.
    pub(crate) fn to_line(&self) -> String {
        // Nothing in it can fail to be written.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl RecordDocument {
    pub(crate) fn new(seen: &Inspection, now: SystemTime) -> Self {
        let types = seen.result_types().map(|types| TypesDocument {
            ok: types.ok.to_owned(),
            err: types.err.map(str::to_owned),
        });
        Self {
            id: seen.id().to_string(),
            operation: seen.operation().to_owned(),
            key: seen.key().map(str::to_owned),
            scope: seen.scope().map(str::to_owned),
            state: StateName::of(seen.state()).map_or("unknown", StateName::as_str),
            tombstone: seen.not_kept().map(tombstone),
            resolved: seen.is_resolved(),
            guarantee: seen.guarantee().as_str(),
            owner: match seen.owner_state() {
                // Nobody runs these, whatever the last owner said.
                _ if matches!(seen.state(), State::Suspended | State::Completed) => "none",
                OwnerState::Running if seen.state() != State::Reserved => "lapsed",
                OwnerState::Running => "running",
                OwnerState::Held => "held",
                OwnerState::Abandoned => "abandoned",
                _ => "unknown",
            },
            resumed_by: (seen.state() == State::Suspended)
                .then(|| if seen.has_input() { "recovery" } else { "next_caller" }),
            last_error: seen.last_error().map(str::to_owned),
            created: timestamp(seen.created()),
            age_seconds: seconds(age(seen.created(), now)),
            lease_seconds: seconds(seen.lease()),
            remaining_seconds: seen.remaining().map(seconds),
            retention_seconds: seconds(seen.retention()),
            token: seen.token().to_string(),
            fingerprint: seen.fingerprint().map(|digest| hex(digest.as_bytes())),
            version: seen.version(),
            bytes: seen.bytes(),
            result_types: types,
            trace_parent: seen.trace_parent().map(|parent| parent.to_string()),
            result: None,
            journal: None,
            derived: Vec::new(),
        }
    }

    /// The same with its result, if it has one.
    pub(crate) fn with_result(mut self, seen: &Inspection) -> Self {
        self.result = seen.result().map(ResultDocument::new);
        self.journal = JournalDocument::new(seen);
        self
    }
}

impl ResultDocument {
    /// Which encoding it has, the record of an operation that is at least once does not say. No MessagePack is
    /// taken for a response: what begins as one does is the number 1, and one byte long.
    fn new(result: RecordedResult<'_>) -> Self {
        let is_error = result.is_error();
        if let Ok(response) = result.decode_binary::<StoredResponse>() {
            Self { is_error, ..Self::response(&response) }
        } else if let Ok(value) = result.decode::<Value>() {
            Self::value(value, is_error)
        } else {
            let value = AsJson(Value::Bytes(result.encoded().to_vec()));
            Self { is_error, encoding: "binary", value }
        }
    }

    /// The response of an HTTP layer.
    pub(crate) fn response(response: &StoredResponse) -> Self {
        let value = AsJson(response_value(response));
        Self { is_error: false, encoding: "response", value }
    }

    /// A value as an operation returns it.
    pub(crate) const fn value(value: Value, is_error: bool) -> Self {
        Self { is_error, encoding: "messagepack", value: AsJson(value) }
    }
}

fn response_value(response: &StoredResponse) -> Value {
    let body = response.body();
    let body = match (serde_json::from_slice(body), std::str::from_utf8(body)) {
        (Ok(json), _) => json,
        (Err(_), Ok(text)) => Value::text(text),
        (Err(_), Err(_)) => Value::Bytes(body.to_vec()),
    };
    let headers = response.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes());
        Value::List(vec![Value::text(name.as_str()), Value::text(value)])
    });
    Value::map([
        ("status", Value::Unsigned(response.status().as_u16().into())),
        ("headers", Value::List(headers.collect())),
        ("body", body),
    ])
}

pub(super) const fn tombstone(why: NotKept) -> &'static str {
    match why {
        NotKept::TooLarge => "too_large",
        NotKept::Evicted => "evicted",
        NotKept::NotEncodable => "not_encodable",
        NotKept::NotMemoized => "not_memoized",
        NotKept::Withheld => "withheld",
        _ => "unknown",
    }
}

/// Seconds with milliseconds.
pub(crate) fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1000.0).round() / 1000.0
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
