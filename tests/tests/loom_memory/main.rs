//! Every interleaving of a few threads over the memory store's transitions, as far as loom can tell
//! them apart.
//!
//! The files of the transitions are compiled a second time here, over loom's locks, with a plain map
//! instead of moka. Each test names the guard without which it fails.

#[path = "../../../idempotent-core/src/backends/memory/complete.rs"]
mod complete;
mod completed;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../../idempotent-core/src/backends/memory/due_index.rs"]
mod due_index;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../../idempotent-core/src/backends/memory/evict.rs"]
mod evict;
mod eviction;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../../idempotent-core/src/backends/memory/moment.rs"]
mod moment;
#[path = "../../../idempotent-core/src/backends/memory/records.rs"]
mod records;
#[path = "../../../idempotent-core/src/backends/memory/release.rs"]
mod release;
#[path = "../../../idempotent-core/src/backends/memory/renew.rs"]
mod renew;
#[path = "../../../idempotent-core/src/backends/memory/reserve.rs"]
mod reserve;
#[path = "../../../idempotent-core/src/backends/memory/slot.rs"]
mod slot;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../../idempotent-core/src/backends/memory/slot_counts.rs"]
mod slot_counts;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../../idempotent-core/src/backends/memory/stored_result.rs"]
mod stored_result;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../../idempotent-core/src/backends/memory/unfinished.rs"]
mod unfinished;
#[path = "../../../idempotent-core/src/backends/memory/waiter.rs"]
mod waiter;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../../idempotent-core/src/backends/memory/waiter_list.rs"]
mod waiter_list;

/// What the transitions use of the core.
mod crate_items {
    pub(super) use idempotent_core::model::{
        NotKept, Outcome, OwnerState, Record, RecordId, ScopeId, StepEntry, StepId, Token,
    };
    pub(super) use idempotent_core::store::{
        Complete, CompleteOutcome, Entry, IfVacant, Release, Renew, RenewOutcome, Reserve,
        ReserveOutcome, State,
    };

    pub(super) type Hash = [u8; 32];

    /// The same in every run, since loom repeats runs.
    pub(super) type IdHasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;
}

mod sync {
    pub(super) use loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

mod warnings {
    pub(super) fn retention_ended(_: [u8; 32], _: &super::Record) {}
}

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use idempotent_core::model::Envelope;
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;

use completed::Completed;
use crate_items::{
    Complete, CompleteOutcome, IdHasher, Record, RecordId, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, State, Token,
};
use moment::Moment;
use records::Records;
use unfinished::Unfinished;
use waiter::Waiter;

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(3600);

type Shared = Arc<Records<Completed>>;

fn store() -> Shared {
    Arc::new(Records {
        unfinished: Unfinished::new(1, 100, IdHasher::default()),
        completed: Completed::default(),
    })
}

fn id() -> RecordId {
    RecordId::of("loom::charge", None, &1).expect("a name and a key")
}

fn second(n: u64) -> Moment {
    Moment::of(Duration::from_secs(n))
}

fn won(records: &Records<Completed>, request: &Reserve<'_>, now: Moment) -> bool {
    matches!(records.reserve(request, now), Ok(ReserveOutcome::Won))
}

fn complete(records: &Records<Completed>, reservation: &Record, now: Moment) -> CompleteOutcome {
    let record = reservation.completed(b"receipt");
    records.complete(&Complete::new(&id(), reservation, &record, TTL), now)
}

/// Reserves at second 0, for another thread to go on with.
fn reserved(records: &Records<Completed>) -> Record {
    let id = id();
    let request = Reserve::new(&id, Envelope::new("loom::charge"));
    assert!(won(records, &request, second(0)));
    request.record().clone()
}

/// What a caller does that runs the body if it wins.
fn call(records: &Records<Completed>, effects: &AtomicUsize) {
    let id = id();
    let request = Reserve::new(&id, Envelope::new("loom::charge"));
    if won(records, &request, second(0)) {
        effects.fetch_add(1, SeqCst);
        let outcome = complete(records, request.record(), second(0));
        assert!(matches!(outcome, CompleteOutcome::Recorded));
    }
}

async fn ended(records: &Records<Completed>, token: Token) {
    let id = id();
    let mut waiter = Waiter::new(&records.unfinished, id.hash(), token);
    poll_fn(|context| match waiter.poll(context.waker(), second(0)) {
        Some(_) => Poll::Pending,
        None => Poll::Ready(()),
    })
    .await;
}

/// Fails without the second look at the completed records (`records.rs`, `entry`).
#[test]
fn of_two_callers_of_a_vacant_key_one_runs_the_body() {
    loom::model(|| {
        let (records, effects) = (store(), Arc::new(AtomicUsize::new(0)));
        let other = {
            let (records, effects) = (records.clone(), effects.clone());
            thread::spawn(move || call(&records, &effects))
        };
        call(&records, &effects);
        other.join().unwrap();
        assert_eq!(effects.load(SeqCst), 1);
        assert_eq!(records.unfinished.count(), 0);
    });
}

/// Fails without the second look, and when the record is inserted after its reservation is
/// removed, with the lock released in between.
#[test]
fn two_callers_that_race_a_completion_run_nothing() {
    loom::model(|| {
        let (records, effects) = (store(), Arc::new(AtomicUsize::new(0)));
        let reservation = reserved(&records);
        let other = {
            let (records, effects) = (records.clone(), effects.clone());
            thread::spawn(move || call(&records, &effects))
        };
        let owner = {
            let records = records.clone();
            thread::spawn(move || complete(&records, &reservation, second(0)))
        };
        call(&records, &effects);
        other.join().unwrap();
        owner.join().unwrap();
        assert_eq!(effects.load(SeqCst), 0);
        let found = records.load(&id(), second(0)).unwrap();
        assert_eq!(found.state, State::Completed);
    });
}

/// Fails when the record is inserted after its reservation is removed, with the lock released in between.
#[test]
fn a_reader_sees_the_reservation_or_the_record_and_never_neither() {
    loom::model(|| {
        let records = store();
        let reservation = reserved(&records);
        let reader = {
            let records = records.clone();
            thread::spawn(move || records.load(&id(), second(0)).map(|entry| entry.state))
        };
        complete(&records, &reservation, second(0));
        assert!(reader.join().unwrap().is_some());
    });
}

/// Fails when a waiter looks and registers in two holds of the lock, and when ending a reservation
/// wakes nobody.
#[test]
fn a_waiter_that_races_the_end_is_woken() {
    for release in [false, true] {
        loom::model(move || {
            let records = store();
            let reservation = reserved(&records);
            let token = reservation.token();
            let waiter = {
                let records = records.clone();
                thread::spawn(move || block_on(ended(&records, token)))
            };
            if release {
                records.release(&Release::new(&id(), &reservation), second(0));
            } else {
                complete(&records, &reservation, second(0));
            }
            waiter.join().unwrap();
        });
    }
}

/// Fails when `put` forgets the waiters of the slot that it replaces.
#[test]
fn a_waiter_on_a_lapsed_reservation_is_woken_by_the_takeover() {
    loom::model(|| {
        let records = store();
        let token = reserved(&records).token();
        let waiter = {
            let records = records.clone();
            thread::spawn(move || block_on(ended(&records, token)))
        };
        let id = id();
        let request = Reserve::new(&id, Envelope::new("loom::charge"));
        assert!(won(&records, &request, second(31)));
        waiter.join().unwrap();
    });
}

/// Fails when `release` does not compare the token.
#[test]
fn a_release_and_a_repeat_of_it_leave_the_next_reservation_alone() {
    loom::model(|| {
        let records = store();
        let reservation = reserved(&records);
        let releasing = {
            let (records, reservation) = (records.clone(), reservation.clone());
            thread::spawn(move || {
                records.release(&Release::new(&id(), &reservation), second(0));
                records.release(&Release::new(&id(), &reservation), second(0));
            })
        };
        let id = id();
        let request = Reserve::new(&id, Envelope::new("loom::charge"));
        let won = won(&records, &request, second(0));
        releasing.join().unwrap();
        let left = records.load(&id, second(0)).map(|entry| entry.record.token());
        assert_eq!(left, won.then(|| request.token()));
        assert_eq!(records.unfinished.count(), usize::from(won));
    });
}

/// Fails when `complete` takes another's live reservation for its own, or replaces a completed
/// record: then both owners have recorded.
#[test]
fn of_a_late_owner_and_the_one_who_took_over_one_result_stands() {
    loom::model(|| {
        let records = store();
        let late = reserved(&records);
        let successor = {
            let records = records.clone();
            thread::spawn(move || {
                let id = id();
                let request = Reserve::new(&id, Envelope::new("loom::charge"));
                let won = won(&records, &request, second(31));
                won.then(|| {
                    let outcome = complete(&records, request.record(), second(31));
                    assert!(matches!(outcome, CompleteOutcome::Recorded));
                    request.token()
                })
            })
        };
        let outcome = complete(&records, &late, second(31));
        let taken_by = successor.join().unwrap();

        let stands = records.load(&id(), second(31)).unwrap();
        assert_eq!(stands.state, State::Completed);
        assert_eq!(stands.record.token(), taken_by.unwrap_or(late.token()));
        let recorded = matches!(outcome, CompleteOutcome::Recorded);
        assert_eq!(recorded, taken_by.is_none());
    });
}

/// Fails when `renew` does not compare the token.
#[test]
fn a_late_renewal_leaves_the_lease_of_the_one_who_took_over_alone() {
    loom::model(|| {
        let records = store();
        let late = reserved(&records);
        let renewing = {
            let records = records.clone();
            thread::spawn(move || {
                let id = id();
                records.renew(&Renew::new(&id, &late, 10 * LEASE), second(29))
            })
        };
        let id = id();
        let request = Reserve::new(&id, Envelope::new("loom::charge"));
        let won = won(&records, &request, second(31));
        let renewed = renewing.join().unwrap() == RenewOutcome::Renewed;
        assert_ne!(won, renewed);
        let stands = records.load(&id, second(31)).unwrap();
        let lease = if won { LEASE } else { 10 * LEASE - Duration::from_secs(2) };
        assert_eq!(stands.remaining, Some(lease));
    });
}

/// Fails when the cap is checked and counted in two steps.
#[test]
fn the_cap_holds_under_racing_reservations() {
    loom::model(|| {
        let records = Arc::new(Records {
            unfinished: Unfinished::new(8, 1, IdHasher::default()),
            completed: Completed::default(),
        });
        let claim = |key: u64| {
            let records = records.clone();
            move || {
                let id = RecordId::of("loom::charge", None, &key).unwrap();
                won(&records, &Reserve::new(&id, Envelope::new("loom::charge")), second(0))
            }
        };
        let other = thread::spawn(claim(1));
        let mine = claim(2)();
        let theirs = other.join().unwrap();
        assert_eq!(usize::from(mine) + usize::from(theirs), 1);
        assert_eq!(records.unfinished.count(), 1);
    });
}
