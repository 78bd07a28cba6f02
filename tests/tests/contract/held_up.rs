//! Cases that take longer than a lease: they run again with more time, unless no delay explains their failure.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::testing::contract::{self, Subject};

use super::broken_stores::{BrokenStore, Flaw};
use super::reference_store::ReferenceStore;

/// A store on a machine that stands still for a while whenever time is to pass, so many times.
#[derive(Clone)]
struct HeldUp {
    store: Arc<dyn Store>,
    reference: ReferenceStore,
    lease: Duration,
    stalls: Arc<AtomicUsize>,
    runs: Arc<AtomicUsize>,
}

/// More than what a case has to spare of its lease, which is a quarter, in every run but the last. Also more than an eighth
/// of the last one's lease: only that it is the last keeps it from another run.
const STALL: Duration = Duration::from_millis(30);

impl HeldUp {
    fn new(flaw: Option<Flaw>, lease: Duration, stalls: usize) -> Self {
        let reference = ReferenceStore::default();
        let store: Arc<dyn Store> = match flaw {
            Some(flaw) => Arc::new(BrokenStore::new(flaw, reference.clone())),
            None => Arc::new(reference.clone()),
        };
        let (stalls, runs) = (Arc::new(AtomicUsize::new(stalls)), Arc::default());
        Self { store, reference, lease, stalls, runs }
    }

    /// Whether it passes the case, and in how many runs.
    async fn try_case(&self, name: &str) -> (bool, usize) {
        let case =
            contract::cases().into_iter().find(|case| case.name() == name).expect("it is a case");
        let subject = self.clone();
        let passed = tokio::spawn(async move { case.run(subject).await }).await.is_ok();
        (passed, self.runs.load(Ordering::Relaxed))
    }
}

#[async_trait::async_trait]
impl Subject for HeldUp {
    /// Each run asks for it once.
    fn store(&self) -> Arc<dyn Store> {
        self.runs.fetch_add(1, Ordering::Relaxed);
        self.store.clone()
    }

    fn other_handle(&self) -> Arc<dyn Store> {
        self.store.clone()
    }

    async fn advance(&self, by: Duration) {
        self.reference.advance(by);
        let stalls = self
            .stalls
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |stalls| stalls.checked_sub(1));
        if stalls.is_ok() {
            tokio::time::sleep(by + STALL).await;
            self.reference.advance(STALL);
        }
    }

    fn lease(&self) -> Duration {
        self.lease
    }

    fn patience(&self) -> Duration {
        Duration::from_millis(100)
    }
}

const SHORT: Duration = Duration::from_millis(10);
const HOLDS: &str = "a_reservation_holds_until_its_lease_ends";

#[tokio::test]
async fn a_case_that_was_held_up_passes_with_more_time() {
    let subject = HeldUp::new(None, SHORT, usize::MAX);
    assert_eq!(subject.try_case(HOLDS).await, (true, 5));
}

#[tokio::test]
async fn a_broken_store_fails_however_often_it_is_held_up() {
    let subject = HeldUp::new(Some(Flaw::ReserveHalvesTheLease), SHORT, usize::MAX);
    assert_eq!(subject.try_case(HOLDS).await, (false, 5));
}

#[tokio::test]
async fn a_broken_store_that_nothing_holds_up_fails_at_once() {
    let subject = HeldUp::new(Some(Flaw::ReserveHalvesTheLease), Duration::from_secs(3600), 0);
    assert_eq!(subject.try_case(HOLDS).await, (false, 1));
}

/// Any time at all is too long for these leases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delay_excuses_two_winners_of_a_race() {
    let subject =
        HeldUp::new(Some(Flaw::ReserveReadsThenWrites), Duration::from_nanos(1), usize::MAX);
    let case = "of_many_concurrent_reserves_exactly_one_wins";
    assert_eq!(subject.try_case(case).await, (false, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_delay_excuses_a_call_that_waits_for_steps_that_are_settled() {
    let subject =
        HeldUp::new(Some(Flaw::WriteStepLooksBeforeItWrites), Duration::from_nanos(1), usize::MAX);
    let case = "of_many_who_settle_the_last_steps_one_has_the_call_go_on";
    assert_eq!(subject.try_case(case).await, (false, 1));
}

#[tokio::test]
async fn no_delay_excuses_a_wait_that_does_not_end() {
    let subject = HeldUp::new(Some(Flaw::WaitNeverWakes), Duration::from_nanos(1), usize::MAX);
    assert_eq!(subject.try_case("a_wait_ends_when_the_call_completes").await, (false, 1));
}
