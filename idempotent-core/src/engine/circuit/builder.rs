//! The options of an engine's circuit.

use std::time::Duration;

use crate::engine::builder::IdempotencyBuilder;

/// # The circuit
///
/// While the store is down, a call would wait for its answer until it times out, and so would every other one. So
/// after [some](Self::circuit_threshold) calls in a row had no answer, the engine asks no more: the circuit is open,
/// and calls are refused at once with [`Store`](crate::ErrorKind::Store), 503 and a `Retry-After`; the error's
/// source is a [`StoreError`](crate::store::StoreError) of the kind
/// [`CircuitOpen`](crate::store::StoreErrorKind::CircuitOpen) with the last cause. After a
/// [pause](Self::circuit_pauses) one call at a time is let through as a probe, and the first answer closes it.
///
/// * Only what [has no answer](crate::store::StoreError::is_outage) counts: a store that cannot be reached, or a call
///   that times out. A store that answers is there, also if it refuses: a full disk, a read-only server, a missing
///   right or an unreadable record never open the circuit. Nor does a caller that goes away, or a pool without a free
///   connection: nobody has asked the store then, so it is not an answer that would close the circuit either.
/// * It guards reservations alone. A replay from a [near cache](crate::backends::NearCache), and a renewal, a result,
///   a release of calls that run already are not held up, and neither are calls in their callers' transactions.
/// * An engine that [fails open](Self::fail_open) runs bodies without a record, at once instead of after a timeout.
/// * [`Idempotency::check`](crate::Idempotency::check), the log and the metrics `idempotent_circuit_open` and
///   `idempotent_circuit_refusals_total` tell.
///
/// ```
/// use std::time::Duration;
/// use idempotent_core::{Idempotency, backends::MemoryStore};
///
/// let engine = Idempotency::builder(MemoryStore::new())
///     .store_timeout(Duration::from_millis(500))
///     .circuit_threshold(3)
///     .circuit_pauses(Duration::from_millis(50), Duration::from_secs(2))
///     .build();
/// ```
impl IdempotencyBuilder {
    /// After how many calls in a row without an answer the [circuit](#the-circuit) opens. 0 is the same as
    /// [`without_circuit`](Self::without_circuit). Default: 5.
    pub fn circuit_threshold(self, calls: u32) -> Self {
        self.circuit(|circuit| circuit.threshold = calls)
    }

    /// The pauses before the probes of an open [circuit](#the-circuit): they begin with `first` and double up to
    /// `longest`, and each is shortened at random by up to a half, so that processes do not probe in step. Default:
    /// 100 and 500 milliseconds.
    ///
    /// A store that is back is noticed after `longest` at the latest, if there are calls.
    pub fn circuit_pauses(self, first: Duration, longest: Duration) -> Self {
        self.circuit(|circuit| {
            (circuit.pauses.first, circuit.pauses.longest) = (first, longest.max(first));
        })
    }

    /// Switches the [circuit](#the-circuit) off: each call asks the store, and waits until it times out. Default: it
    /// is on.
    pub fn without_circuit(self) -> Self {
        self.circuit_threshold(0)
    }
}
