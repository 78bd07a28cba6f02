//! [`Circuit`]: whether the store may be asked.
//!
//! While it is closed, a call costs one load of an atomic before it asks the store, and one after. Everything else is
//! behind a lock that only failures take.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::asking::{Asking, Probe};
use super::open::OpenCircuit;
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

    /// Whether a call may ask the store now, and whether it is a probe. It asks by [`asking`](Self::asking).
    pub(in crate::engine) fn admit(&self) -> Result<Option<Probe>, OpenCircuit> {
        if self.is_open() { self.admit_probe() } else { Ok(None) }
    }

    /// A call that was admitted.
    pub(in crate::engine) const fn asking(&self, probe: Option<Probe>) -> Asking<'_> {
        Asking::new(self, probe)
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::time::advance;

    use super::*;
    use crate::store::StoreErrorKind;
    use crate::store::backoff::Backoff;

    const PAUSE: Duration = Duration::from_millis(100);

    fn circuit(threshold: u32) -> Circuit {
        let pauses = Backoff { first: PAUSE, longest: PAUSE * 4 };
        Circuit::new(CircuitSettings { threshold, pauses })
    }

    fn outage() -> StoreError {
        StoreError::new(StoreErrorKind::Timeout, "no answer")
    }

    fn enter(circuit: &Circuit) -> Result<Asking<'_>, OpenCircuit> {
        circuit.admit().map(|probe| circuit.asking(probe))
    }

    fn fail(circuit: &Circuit) {
        enter(circuit).ok().expect("it may ask").failed(&outage());
    }

    fn opened(threshold: u32) -> Circuit {
        let circuit = circuit(threshold);
        (0..threshold).for_each(|_| fail(&circuit));
        assert!(circuit.is_open());
        circuit
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_after_so_many_failures_in_a_row_and_not_before() {
        let circuit = circuit(3);
        fail(&circuit);
        fail(&circuit);
        enter(&circuit).ok().expect("it may ask").answered();
        fail(&circuit);
        fail(&circuit);
        assert!(!circuit.is_open(), "an answer starts the count again");
        fail(&circuit);
        assert!(circuit.is_open());
        let refused = enter(&circuit).err().expect("it is refused");
        assert_eq!(refused.error.kind(), StoreErrorKind::CircuitOpen);
        assert!(refused.error.to_string().contains("no answer"), "{}", refused.error);
    }

    #[tokio::test(start_paused = true)]
    async fn switched_off_it_never_opens() {
        let circuit = circuit(0);
        (0..1000).for_each(|_| fail(&circuit));
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_pause_one_probe_is_let_through_at_a_time() {
        let circuit = opened(1);
        assert!(enter(&circuit).is_err(), "the pause is not over");
        advance(PAUSE).await;
        let probe = enter(&circuit).ok().expect("a probe");
        for _ in 0..10 {
            assert!(enter(&circuit).is_err(), "there is a probe");
        }
        probe.answered();
        assert!(!circuit.is_open());
        drop(enter(&circuit).ok().expect("it may ask"));
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_failed_probes_up_to_the_longest() {
        let circuit = opened(1);
        for longest in [1, 2, 4, 4, 4] {
            advance(PAUSE * longest / 2 - Duration::from_millis(1)).await;
            assert!(enter(&circuit).is_err(), "half of the pause is the least");
            advance(PAUSE * longest / 2 + Duration::from_millis(2)).await;
            fail(&circuit);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_that_is_dropped_makes_room_for_the_next_one() {
        let circuit = opened(1);
        advance(PAUSE).await;
        drop(enter(&circuit).ok().expect("a probe"));
        let second = enter(&circuit).ok().expect("another probe");
        assert!(enter(&circuit).is_err());
        second.answered();
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_that_goes_away_does_not_count() {
        let circuit = circuit(1);
        (0..100).for_each(|_| drop(enter(&circuit).ok().expect("it may ask")));
        assert!(!circuit.is_open());
    }

    #[tokio::test(start_paused = true)]
    async fn what_began_before_it_opened_closes_it_but_does_not_put_off_the_probe() {
        let circuit = circuit(1);
        let (late, later) = (enter(&circuit).ok().unwrap(), enter(&circuit).ok().unwrap());
        fail(&circuit);
        advance(PAUSE / 2 + PAUSE / 4).await;
        late.failed(&outage());
        advance(PAUSE / 4).await;
        let probe = enter(&circuit).ok().expect("a probe is due");
        later.answered();
        assert!(!circuit.is_open(), "the store answered");
        probe.failed(&outage());
        assert!(circuit.is_open(), "the threshold is one");
    }

    #[tokio::test(start_paused = true)]
    async fn a_probe_of_an_earlier_time_does_not_end_the_present_one() {
        let circuit = opened(1);
        advance(PAUSE).await;
        let stale = enter(&circuit).ok().expect("a probe");
        circuit.answered();
        fail(&circuit);
        advance(PAUSE).await;
        let present = enter(&circuit).ok().expect("a probe");
        stale.failed(&outage());
        assert!(enter(&circuit).is_err(), "there still is a probe");
        drop(present);
    }

    #[test]
    fn of_many_threads_one_gets_the_probe() {
        let pauses = Backoff { first: Duration::ZERO, longest: Duration::ZERO };
        let circuit = Arc::new(Circuit::new(CircuitSettings { threshold: 1, pauses }));
        circuit.failed(None, &outage());
        let barrier = Arc::new(std::sync::Barrier::new(8));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (circuit, barrier) = (Arc::clone(&circuit), Arc::clone(&barrier));
                std::thread::spawn(move || {
                    barrier.wait();
                    let asking = circuit.admit();
                    barrier.wait();
                    asking.is_ok()
                })
            })
            .collect();
        let probes = threads.into_iter().map(|it| it.join().unwrap());
        assert_eq!(probes.filter(|is_probe| *is_probe).count(), 1);
    }
}
