//! When a circuit opens, probes and closes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::advance;

use super::asking::Asking;
use super::breaker::Circuit;
use super::open::OpenCircuit;
use super::settings::CircuitSettings;
use crate::store::StoreError;
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
    circuit.admit().map(|probe| Asking::new(circuit, probe))
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
