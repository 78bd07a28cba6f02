//! [`Circuit`]: whether the store may be asked.
//!
//! While it is closed, a call costs one load of an atomic before it asks the store, and one after. Everything else is
//! behind a lock that only failures take.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::open::OpenCircuit;
use super::probe::Probe;
use super::settings::CircuitSettings;
use crate::engine::telemetry::Telemetry;
use crate::store::StoreError;

/// In place of the number of failures: the circuit is open.
const OPEN: u32 = u32::MAX;

/// Whether the store may be asked. Closed, every call may; open, one at a time, and only after a pause.
pub(in crate::engine) struct Circuit {
    settings: CircuitSettings,
    /// How many calls in a row had no answer, or [`OPEN`]. Changed under the lock.
    failures: AtomicU32,
    opened: Mutex<Option<Opened>>,
    /// How many probes there were, so that each has a number of its own.
    probes: AtomicU64,
}

/// What is known while it is open.
struct Opened {
    since: Instant,
    /// When the next probe may start.
    due: Instant,
    /// How many probes have failed.
    failed_probes: u32,
    /// The probe that is under way.
    probe: Option<Probe>,
    refused: u64,
    failures: u32,
    cause: String,
}

impl Circuit {
    pub(in crate::engine) fn new(settings: CircuitSettings) -> Self {
        Self {
            settings,
            failures: AtomicU32::new(0),
            opened: Mutex::new(None),
            probes: AtomicU64::new(0),
        }
    }

    /// Whether a call may ask the store now, and whether it is a probe. The call that asks is an `Asking`.
    pub(in crate::engine) fn admit(&self) -> Result<Option<Probe>, OpenCircuit> {
        if self.is_open() { self.admit_probe() } else { Ok(None) }
    }

    /// Whether calls are refused.
    pub(in crate::engine) fn is_open(&self) -> bool {
        self.failures.load(Ordering::Acquire) == OPEN
    }

    #[cold]
    fn admit_probe(&self) -> Result<Option<Probe>, OpenCircuit> {
        let mut state = self.lock();
        // Perhaps it was closed meanwhile.
        let Some(opened) = &mut *state else { return Ok(None) };
        let left = opened.due.saturating_duration_since(Instant::now());
        if opened.probe.is_none() && left.is_zero() {
            opened.probe = Some(Probe(self.probes.fetch_add(1, Ordering::Relaxed)));
            return Ok(opened.probe);
        }
        opened.refused += 1;
        let refusal = OpenCircuit::new(opened.failures, &opened.cause, left);
        drop(state);
        Telemetry::refused_by_circuit();
        Err(refusal)
    }

    pub(super) fn answered(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.close();
        }
    }

    #[cold]
    fn close(&self) {
        let mut state = self.lock();
        self.failures.store(0, Ordering::Release);
        let opened = state.take();
        drop(state);
        if let Some(opened) = opened {
            Telemetry::circuit_closed(opened.since.elapsed(), opened.refused);
        }
    }

    #[cold]
    pub(super) fn failed(&self, probe: Option<Probe>, error: &StoreError) {
        if self.settings.threshold == 0 {
            return;
        }
        let mut state = self.lock();
        if let Some(opened) = &mut *state {
            // What began before it opened does not put the next probe off.
            if probe.is_some() && opened.probe == probe {
                opened.probe = None;
                opened.failed_probes = opened.failed_probes.saturating_add(1);
                let pause = self.settings.pause(opened.failed_probes.saturating_add(1));
                opened.due = after(pause);
                opened.cause = error.to_string();
            }
            return;
        }
        let failures = self.failures.load(Ordering::Relaxed).saturating_add(1);
        if failures < self.settings.threshold {
            self.failures.store(failures, Ordering::Release);
            return;
        }
        *state = Some(Opened {
            since: Instant::now(),
            due: after(self.settings.pause(1)),
            failed_probes: 0,
            probe: None,
            refused: 0,
            failures,
            cause: error.to_string(),
        });
        self.failures.store(OPEN, Ordering::Release);
        drop(state);
        Telemetry::circuit_opened(error, failures);
    }

    pub(super) fn probe_dropped(&self, probe: Probe) {
        if let Some(opened) = &mut *self.lock() {
            if opened.probe == Some(probe) {
                opened.probe = None;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Opened>> {
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The moment after a pause, which may be longer than the clock can express.
fn after(pause: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(pause).unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 60 * 60))
}

impl Drop for Circuit {
    fn drop(&mut self) {
        if self.is_open() {
            Telemetry::open_circuits(-1);
        }
    }
}
