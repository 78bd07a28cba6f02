//! The input of a call that is resumed without its caller: whether the call may have one.

use std::time::Duration;

use super::request::Request;
use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, RecordId};

/// The shortest time for which a call with an input is kept once its owner is lost.
const SHORTEST_RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Checks the input of a call, if it has one.
#[inline]
pub(super) fn check(request: &Request, engine: &Idempotency, id: &RecordId) -> Result<(), Error> {
    if request.input.is_some() { check_input(request, engine, id) } else { Ok(()) }
}

#[cold]
fn check_input(request: &Request, engine: &Idempotency, id: &RecordId) -> Result<(), Error> {
    let refused = |kind, why: String| Err(Error::of(kind, id).detail(why));
    let guarantee = request.operation.guarantee;
    if guarantee != Guarantee::AtLeastOnce {
        let why = "a call with `resume` is run again by whoever finds it interrupted, which";
        let why = format!("{why} `{}` forbids: make its steps *at most once*", guarantee.as_str());
        return refused(ErrorKind::Misconfigured, why);
    }
    let store = engine.store();
    if store.due_calls().is_none() || store.journal().is_none() {
        return refused(ErrorKind::Misconfigured, without_index(engine.settings().store_type));
    }
    let limit = engine.settings().max_input_bytes;
    match request.input.as_deref() {
        Some(Ok(input)) if input.len() > limit => {
            let why = format!("the input has {} bytes, but the limit is {limit}", input.len());
            Err(Error::of(ErrorKind::Encode, id).limited_to(limit).detail(why))
        }
        Some(Err(error)) => refused(ErrorKind::Encode, format!("its input: {error}")),
        _ => Ok(()),
    }
}

/// Why calls of an engine on such a store are not resumed without their callers.
pub(in crate::engine) fn without_index(store_type: &str) -> String {
    format!(
        "`{store_type}` keeps no index of interrupted calls, so nobody would find this one to resume it: use \
         `MemoryStore`, `RedisStore`, `SqliteStore` or `PostgresStore`, or remove `resume`"
    )
}

/// How long a call with an input is kept once its owner is lost: as one with steps.
pub(super) fn retention(engine: &Idempotency, ttl: Duration) -> Duration {
    engine.settings().retention.max(ttl).max(SHORTEST_RETENTION)
}
