//! What happens at the store's bounds.

use super::Guarantee::{AtLeastOnce, AtMostOnce};
use super::*;

const CAPACITY: u64 = 100_000;
const PAYLOAD: [u8; 177] = [7; 177];

/// Ten times as many records as fit.
const MANY: u64 = 10 * CAPACITY / 500;

fn small() -> Fixture {
    Fixture::with(MemoryStore::builder().capacity_bytes(CAPACITY))
}

impl Fixture {
    async fn call(&self, n: u64, guarantee: Guarantee) {
        let id = id(n);
        let reservation = self.won(&id, guarantee).await;
        assert!(is_recorded(&self.complete(&id, &reservation, &PAYLOAD).await));
    }

    async fn fill(&self, guarantee: Guarantee) {
        for n in 0..MANY {
            self.call(n, guarantee).await;
        }
        self.store.records().completed.run_pending_tasks();
    }
}

#[tokio::test]
async fn a_fresh_record_is_readable_however_full_the_store_is() {
    let f = small();
    f.fill(AtLeastOnce).await;
    for n in MANY..MANY + 1000 {
        f.call(n, AtLeastOnce).await;
        f.store.records().completed.run_pending_tasks();
        assert_eq!(kept(&f.load(&id(n)).await.unwrap()), PAYLOAD);
    }
}

#[tokio::test]
async fn the_results_that_nobody_reads_go_first_and_leave_tombstones() {
    let f = small();
    f.call(MANY, AtLeastOnce).await;
    for n in 0..MANY {
        f.call(n, AtLeastOnce).await;
        f.load(&id(MANY)).await;
        f.store.records().completed.run_pending_tasks();
    }

    let evicted = f.load(&id(0)).await.unwrap();
    assert_eq!(evicted.record.outcome(), Outcome::NotKept(NotKept::Evicted));
    assert_eq!(kept(&f.load(&id(MANY)).await.unwrap()), PAYLOAD);
    let completed = f.store.records().completed.count();
    assert!(completed <= CAPACITY / 500, "{completed}");
    assert_eq!(f.unfinished() as u64, MANY + 1 - completed);
}

#[tokio::test]
async fn a_result_that_was_evicted_runs_again_only_where_that_was_chosen() {
    let f =
        Fixture::with(MemoryStore::builder().capacity_bytes(CAPACITY).run_again_after_eviction());
    f.fill(AtLeastOnce).await;
    assert!(f.load(&id(0)).await.is_none());
    assert_eq!(f.unfinished(), 0);
    f.won(&id(0), AtLeastOnce).await;
}

#[tokio::test]
async fn under_at_most_once_an_evicted_result_never_runs_again() {
    let f =
        Fixture::with(MemoryStore::builder().capacity_bytes(CAPACITY).run_again_after_eviction());
    f.call(MANY, AtMostOnce).await;
    assert_eq!(f.unfinished(), 0);
    f.fill(AtLeastOnce).await;
    let evicted = taken(f.reserve(&reserve(&id(MANY), AtMostOnce)).await);
    assert_eq!(evicted.record.outcome(), Outcome::NotKept(NotKept::Evicted));
    assert_eq!(f.unfinished(), 1);
}

fn of_scope(n: u64, scope: u8) -> RecordId {
    id(n).counted_for(Some(ScopeId::from_bytes([scope; 16])))
}

impl Fixture {
    async fn call_of(&self, n: u64, scope: u8, payload: &[u8]) {
        let id = of_scope(n, scope);
        let reservation = self.won(&id, AtLeastOnce).await;
        assert!(is_recorded(&self.complete(&id, &reservation, payload).await));
    }

    async fn use_of(&self, scope: u8) -> ScopeUse {
        let scope = ScopeId::from_bytes([scope; 16]);
        self.store.scope_use(&scope, u64::MAX).await.unwrap().unwrap()
    }
}

#[tokio::test]
async fn the_scope_that_fills_the_store_loses_its_own_results() {
    let f = small();
    for n in 0..10 {
        f.call_of(n, 1, &PAYLOAD).await;
    }
    for n in 100..300 {
        f.call_of(n, 2, &[7; 5000]).await;
    }
    for n in 0..10 {
        assert_eq!(kept(&f.load(&of_scope(n, 1)).await.unwrap()), PAYLOAD);
    }
    assert_eq!(f.use_of(1).await.records, 10);
    assert_eq!(f.use_of(2).await.records, 200);
    let evicted = f.load(&of_scope(100, 2)).await.unwrap();
    assert_eq!(evicted.record.outcome(), Outcome::NotKept(NotKept::Evicted));
    assert_eq!(kept(&f.load(&of_scope(299, 2)).await.unwrap()), [7; 5000]);
}

#[tokio::test]
async fn a_fresh_result_stays_even_if_its_scope_has_most() {
    let f = small();
    for n in 0..100 {
        f.call_of(n, n as u8, &PAYLOAD).await;
    }
    f.call_of(200, 200, &[7; 60_000]).await;
    assert_eq!(kept(&f.load(&of_scope(200, 200)).await.unwrap()).len(), 60_000);
}

#[tokio::test]
async fn a_scope_has_what_is_live_and_nothing_else() {
    let f = Fixture::new();
    f.won(&of_scope(1, 1), AtLeastOnce).await;
    f.call_of(2, 1, &PAYLOAD).await;
    let strict = of_scope(3, 1);
    let reservation = f.won(&strict, AtMostOnce).await;
    f.complete(&strict, &reservation, &PAYLOAD).await;
    let lost = of_scope(4, 1);
    let reservation = f.won(&lost, AtMostOnce).await;
    let record = reservation.abandoned();
    f.store.abandon(&Abandon::new(&lost, &reservation, &record)).await.unwrap();
    f.call_of(5, 2, &PAYLOAD).await;

    let found = f.use_of(1).await;
    assert_eq!((found.records, found.indeterminate), (4, 1));
    assert!((300..2000).contains(&found.bytes), "{}", found.bytes);

    f.clock.advance(TTL);
    f.clock.advance(Duration::from_secs(2));
    let scope = ScopeId::from_bytes([1; 16]);
    // Asked for no more than one, it sweeps.
    let found = f.store.scope_use(&scope, 1).await.unwrap().unwrap();
    assert_eq!((found.records, found.indeterminate), (1, 1));
    f.release(&lost, &reservation).await;
    f.store.purge(&lost).await.unwrap();
    assert_eq!(f.use_of(1).await, ScopeUse::default());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_id_is_never_vacant_while_its_result_is_evicted() {
    let f = Arc::new(small());
    let tasks = (0..4_u64).map(|task| {
        let f = Arc::clone(&f);
        tokio::spawn(async move {
            for n in 0..2000 {
                f.call_of(task * 10_000 + n, task as u8, &PAYLOAD).await;
                // Nobody wins again what somebody has completed.
                let earlier = of_scope(task * 10_000 + n / 2, task as u8);
                taken(f.reserve(&reserve(&earlier, AtLeastOnce)).await);
                tokio::task::yield_now().await;
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
}

#[tokio::test]
async fn under_at_most_once_no_key_is_vacant_before_its_ttl_ends() {
    let f = small();
    f.fill(AtMostOnce).await;
    f.clock.advance(TTL - Duration::from_nanos(1));

    let mut evicted = 0;
    for n in 0..MANY {
        let id = id(n);
        let entry = taken(f.reserve(&reserve(&id, AtMostOnce)).await);
        assert_eq!(entry.state, State::Completed);
        assert_eq!(entry.remaining, Some(Duration::from_nanos(1)));
        evicted += u64::from(entry.record.outcome() == Outcome::NotKept(NotKept::Evicted));
    }
    assert!(evicted >= MANY * 8 / 10, "{evicted} of {MANY}");

    f.clock.advance(Duration::from_nanos(1));
    for n in 0..MANY {
        f.won(&id(n), AtMostOnce).await;
    }
}

#[tokio::test]
async fn an_evicted_record_under_at_most_once_is_still_final() {
    let f = small();
    let (id, other) = (id(MANY), id(MANY));
    let owner = f.won(&id, AtMostOnce).await;
    f.complete(&id, &owner, &PAYLOAD).await;
    f.fill(AtMostOnce).await;
    let evicted = f.load(&id).await.unwrap().record;
    assert_eq!(evicted.outcome(), Outcome::NotKept(NotKept::Evicted));

    assert!(is_recorded(&f.complete(&id, &owner, b"again").await));
    f.release(&id, &owner).await;
    let stranger = reserve(&other, AtMostOnce).record().clone();
    let outcome = f.complete(&id, &stranger, b"other").await;

    assert!(matches!(outcome, CompleteOutcome::Superseded(_)));
    assert_eq!(f.load(&id).await.unwrap().record, evicted);
}

#[tokio::test]
async fn a_result_larger_than_the_store_leaves_a_tombstone_under_either_guarantee() {
    for guarantee in [AtLeastOnce, AtMostOnce] {
        let f = small();
        let id = id(1);
        let reservation = f.won(&id, guarantee).await;

        let large = vec![7; CAPACITY as usize];
        assert!(is_recorded(&f.complete(&id, &reservation, &large).await));

        let entry = taken(f.reserve(&reserve(&id, guarantee)).await);
        assert_eq!(entry.state, State::Completed);
        assert_eq!(entry.record.outcome(), Outcome::NotKept(NotKept::Evicted));
        f.clock.advance(TTL);
        assert!(is_won(&f.reserve(&reserve(&id, guarantee)).await));
    }
}

#[tokio::test]
async fn a_tombstone_keeps_its_reason() {
    for guarantee in [AtLeastOnce, AtMostOnce] {
        let f = Fixture::new();
        let id = id(1);
        let reservation = f.won(&id, guarantee).await;
        let record = reservation.tombstone(NotKept::TooLarge);
        let request = Complete::new(&id, &reservation, &record, TTL);
        f.store.complete(&request).await.unwrap();

        let entry = f.load(&id).await.unwrap();
        assert_eq!(entry.record.outcome(), Outcome::NotKept(NotKept::TooLarge));
    }
}

#[tokio::test]
async fn at_the_cap_new_reservations_fail_and_running_calls_go_on() {
    let f = Fixture::with(MemoryStore::builder().max_unfinished(10));
    let mut running = Vec::new();
    for n in 0..10 {
        running.push(f.won(&id(n), AtMostOnce).await);
    }

    let (eleventh, first) = (id(10), id(0));
    let refused = f.store.reserve(&reserve(&eleventh, AtMostOnce)).await;
    assert_eq!(refused.unwrap_err().kind(), StoreErrorKind::Full);
    assert_eq!(taken(f.reserve(&reserve(&first, AtMostOnce)).await).record, running[0]);
    assert_eq!(f.renew(&first, &running[0]).await, RenewOutcome::Renewed);
    assert!(is_recorded(&f.complete(&first, &running[0], b"result").await));
    f.release(&id(1), &running[1]).await;
    f.won(&eleventh, AtMostOnce).await;
}

#[tokio::test]
async fn at_the_cap_what_is_dead_makes_room() {
    let f = Fixture::with(MemoryStore::builder().max_unfinished(10));
    for n in 0..5 {
        f.won(&id(n), AtLeastOnce).await;
        let (id, why) = (id(100 + n), NotKept::NotMemoized);
        let record = f.won(&id, AtMostOnce).await.tombstone(why);
        f.store.complete(&Complete::new(&id, &record, &record, TTL)).await.unwrap();
    }
    let eleventh = id(10);
    assert!(f.store.reserve(&reserve(&eleventh, AtLeastOnce)).await.is_err());

    f.clock.advance(LEASE);
    f.won(&eleventh, AtLeastOnce).await;
    assert_eq!(f.unfinished(), 6);

    f.clock.advance(TTL);
    for n in 20..30 {
        f.won(&id(n), AtLeastOnce).await;
    }
}

#[tokio::test]
async fn a_finished_effect_is_recorded_also_above_the_cap() {
    let f = Fixture::with(MemoryStore::builder().max_unfinished(1));
    f.won(&id(1), AtMostOnce).await;
    let late = id(2);
    let reservation = reserve(&late, AtMostOnce).record().clone();

    assert!(is_recorded(&f.complete(&late, &reservation, b"result").await));
    assert_eq!(kept(&f.load(&late).await.unwrap()), b"result");
}

/// Without sweeping, a million reservations would remain. Without the doubling rule, each of them
/// would walk over all others.
#[tokio::test]
async fn what_nobody_ends_is_swept_as_new_calls_come() {
    let f = Fixture::new();
    for n in 0..100_000 {
        f.won(&id(n), AtLeastOnce).await;
        f.clock.advance(LEASE / 100);
    }
    assert!(f.unfinished() < 64 * 70, "{}", f.unfinished());
}
