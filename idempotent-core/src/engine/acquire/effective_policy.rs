//! What holds for all calls of an operation on an engine, or why none can be made.

use std::time::Duration;

use crate::engine::idempotency::Idempotency;
use crate::error::{Error, ErrorKind};
use crate::model::{Guarantee, Operation};

/// Leases are kept in milliseconds.
const SHORTEST_LEASE: Duration = Duration::from_millis(1);
/// The longest lease that a record can store: 49 days. Because leases are renewed, it is as good as
/// a longer one.
const LONGEST_LEASE: Duration = Duration::from_millis(u32::MAX as u64);

/// The times of an operation, with the engine's where it has none of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct EffectivePolicy {
    pub(super) ttl: Duration,
    pub(super) lease: Duration,
    pub(super) max_run: Duration,
}

impl EffectivePolicy {
    /// Checks an operation on an engine.
    #[inline]
    pub(super) fn of(operation: &Operation, engine: &Idempotency) -> Result<Self, Error> {
        let settings = engine.settings();
        engine.0.names.check(operation, settings)?;
        let misconfigured = |why: &'static str| {
            Err(Error::new(ErrorKind::Misconfigured, operation.name).detail(why))
        };
        match operation.guarantee {
            Guarantee::AtMostOnce if settings.fail_open => {
                return misconfigured("fail_open() cannot guarantee at most once");
            }
            Guarantee::ExactlyOnce if settings.fail_open => {
                return misconfigured("fail_open() cannot guarantee exactly once");
            }
            _ => {}
        }
        let (oldest, newest) = operation.accept;
        if !(oldest..=newest).contains(&operation.version) {
            return misconfigured("`accept` must include the `version` that the operation writes");
        }
        let ttl = operation.ttl.unwrap_or(settings.ttl);
        let lease = operation.lease.unwrap_or(settings.lease.min(ttl)).min(LONGEST_LEASE);
        let max_run = operation.max_run.unwrap_or(settings.max_run);
        if ttl.is_zero() || lease < SHORTEST_LEASE {
            return misconfigured("the ttl must not be zero, and the lease must be at least 1 ms");
        }
        if ttl < lease {
            return misconfigured("the ttl must not be shorter than the lease");
        }
        Ok(Self { ttl, lease, max_run })
    }
}

impl Idempotency {
    /// Whether calls of this operation can be made at all: what each of them would be refused for.
    #[cfg(feature = "http")]
    pub(crate) fn check_operation(&self, operation: &Operation) -> Result<(), Error> {
        EffectivePolicy::of(operation, self).map(|_| ())
    }
}
