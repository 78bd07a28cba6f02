//! Every interleaving of a few threads over the memory store's claims, as far as loom can tell
//! them apart.
//!
//! The files that decide are compiled a second time here, over loom's locks; a map under one of
//! them stands in for moka. Each test names the guard without which it fails.

#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../idempotent-core/src/store/memory/claims.rs"]
mod claims;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../idempotent-core/src/store/memory/ledger.rs"]
mod ledger;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../idempotent-core/src/store/memory/moment.rs"]
mod moment;
#[path = "../../idempotent-core/src/store/memory/slot.rs"]
mod slot;
#[expect(dead_code, reason = "compiled for what the tests need of it")]
#[path = "../../idempotent-core/src/store/memory/waiters.rs"]
mod waiters;

mod sync {
    pub(super) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
    pub(super) use loom::sync::{Mutex, MutexGuard};
}

/// The same in every run, since loom repeats runs.
mod hasher {
    pub(super) type KeyHasher = std::hash::BuildHasherDefault<std::hash::DefaultHasher>;
}

mod report {
    pub(super) fn retention_ended(_: [u8; 32], _: &super::Record) {}
}

use std::collections::HashMap;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use idempotent_core::record::{Envelope, NotKept, Outcome, Record, RecordId, Token};
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, State,
    Vacant,
};
use loom::future::block_on;
use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;

use claims::{Claims, Hash};
use hasher::KeyHasher;
use ledger::{Completed, Ledger};
use moment::Moment;
use waiters::Waiter;

const LEASE: Duration = Duration::from_secs(30);
const TTL: Duration = Duration::from_secs(3600);

/// Stands in for moka, without evicting anything.
#[derive(Debug, Default)]
struct Finished(loom::sync::Mutex<HashMap<Hash, (Record, Moment)>>);

impl Finished {
    fn lock(&self) -> loom::sync::MutexGuard<'_, HashMap<Hash, (Record, Moment)>> {
        self.0.lock().expect("nobody panics while holding it")
    }
}

impl Completed for Finished {
    fn get(&self, id: &Hash, now: Moment) -> Option<Entry> {
        let records = self.lock();
        let (record, until) = records.get(id).filter(|(_, until)| now < *until)?;
        Some(Entry::new(record.clone(), State::Completed, Some(now.until(*until))))
    }

    fn recheck(&self, id: &Hash, now: Moment) -> Option<Entry> {
        self.get(id, now)
    }

    fn insert(&self, id: &Hash, record: &Record, until: Moment) -> bool {
        self.lock().insert(*id, (record.clone(), until));
        true
    }

    fn remove(&self, id: &Hash) {
        self.lock().remove(id);
    }
}

type Shared = Arc<Ledger<Finished>>;

fn store() -> Shared {
    Arc::new(Ledger {
        claims: Claims::new(1, 100, KeyHasher::default()),
        completed: Finished::default(),
    })
}

fn id() -> RecordId {
    RecordId::of("loom::charge", None, &1).expect("a name and a key")
}

fn second(n: u64) -> Moment {
    Moment::of(Duration::from_secs(n))
}

fn won(ledger: &Ledger<Finished>, request: &Reserve<'_>, now: Moment) -> bool {
    matches!(ledger.reserve(request, now), Ok(ReserveOutcome::Won))
}

fn complete(ledger: &Ledger<Finished>, reservation: &Record, now: Moment) -> CompleteOutcome {
    let record = reservation.completed(b"receipt");
    ledger.complete(&Complete::new(&id(), reservation, &record, TTL), now)
}

/// Reserves at second 0, for another thread to go on with.
fn reserved(ledger: &Ledger<Finished>) -> Record {
    let id = id();
    let request = Reserve::new(&id, Envelope::new("loom::charge"));
    assert!(won(ledger, &request, second(0)));
    request.record().clone()
}

/// What a caller does that runs the body if it wins.
fn call(ledger: &Ledger<Finished>, effects: &AtomicUsize) {
    let id = id();
    let request = Reserve::new(&id, Envelope::new("loom::charge"));
    if won(ledger, &request, second(0)) {
        effects.fetch_add(1, SeqCst);
        let outcome = complete(ledger, request.record(), second(0));
        assert!(matches!(outcome, CompleteOutcome::Recorded));
    }
}

async fn ended(ledger: &Ledger<Finished>, token: Token) {
    let id = id();
    let mut waiter = Waiter::new(&ledger.claims, id.hash(), token);
    poll_fn(|context| match waiter.poll(context.waker(), second(0)) {
        Some(_) => Poll::Pending,
        None => Poll::Ready(()),
    })
    .await;
}

/// Fails without the second look at the completed records (`ledger.rs`, `standing`).
#[test]
fn of_two_callers_of_a_vacant_key_one_runs_the_body() {
    loom::model(|| {
        let (ledger, effects) = (store(), Arc::new(AtomicUsize::new(0)));
        let other = {
            let (ledger, effects) = (ledger.clone(), effects.clone());
            thread::spawn(move || call(&ledger, &effects))
        };
        call(&ledger, &effects);
        other.join().unwrap();
        assert_eq!(effects.load(SeqCst), 1);
        assert_eq!(ledger.claims.count(), 0);
    });
}

/// Fails without the second look, and when the record is inserted after its claim goes, with the
/// lock free between them.
#[test]
fn two_callers_that_race_a_completion_run_nothing() {
    loom::model(|| {
        let (ledger, effects) = (store(), Arc::new(AtomicUsize::new(0)));
        let reservation = reserved(&ledger);
        let other = {
            let (ledger, effects) = (ledger.clone(), effects.clone());
            thread::spawn(move || call(&ledger, &effects))
        };
        let owner = {
            let ledger = ledger.clone();
            thread::spawn(move || complete(&ledger, &reservation, second(0)))
        };
        call(&ledger, &effects);
        other.join().unwrap();
        owner.join().unwrap();
        assert_eq!(effects.load(SeqCst), 0);
        let found = ledger.load(&id(), second(0)).unwrap();
        assert_eq!(found.state, State::Completed);
    });
}

/// Fails when the record is inserted after its claim goes, with the lock free between them.
#[test]
fn a_reader_sees_the_claim_or_the_record_and_never_neither() {
    loom::model(|| {
        let ledger = store();
        let reservation = reserved(&ledger);
        let reader = {
            let ledger = ledger.clone();
            thread::spawn(move || ledger.load(&id(), second(0)).map(|entry| entry.state))
        };
        complete(&ledger, &reservation, second(0));
        assert!(reader.join().unwrap().is_some());
    });
}

/// Fails when a waiter looks and registers in two holds of the lock, and when ending a reservation
/// wakes nobody.
#[test]
fn a_waiter_that_races_the_end_is_woken() {
    for release in [false, true] {
        loom::model(move || {
            let ledger = store();
            let reservation = reserved(&ledger);
            let token = reservation.token();
            let waiter = {
                let ledger = ledger.clone();
                thread::spawn(move || block_on(ended(&ledger, token)))
            };
            if release {
                ledger.release(&Release::new(&id(), &reservation), second(0));
            } else {
                complete(&ledger, &reservation, second(0));
            }
            waiter.join().unwrap();
        });
    }
}

/// Fails when `put` forgets the waiters of the slot that it replaces.
#[test]
fn a_waiter_on_a_lapsed_reservation_is_woken_by_the_takeover() {
    loom::model(|| {
        let ledger = store();
        let token = reserved(&ledger).token();
        let waiter = {
            let ledger = ledger.clone();
            thread::spawn(move || block_on(ended(&ledger, token)))
        };
        let id = id();
        let request = Reserve::new(&id, Envelope::new("loom::charge"));
        assert!(won(&ledger, &request, second(31)));
        waiter.join().unwrap();
    });
}

/// Fails when `release` does not compare the token.
#[test]
fn a_release_and_a_repeat_of_it_leave_the_next_reservation_alone() {
    loom::model(|| {
        let ledger = store();
        let reservation = reserved(&ledger);
        let releasing = {
            let (ledger, reservation) = (ledger.clone(), reservation.clone());
            thread::spawn(move || {
                ledger.release(&Release::new(&id(), &reservation), second(0));
                ledger.release(&Release::new(&id(), &reservation), second(0));
            })
        };
        let id = id();
        let request = Reserve::new(&id, Envelope::new("loom::charge"));
        let won = won(&ledger, &request, second(0));
        releasing.join().unwrap();
        let left = ledger.load(&id, second(0)).map(|entry| entry.record.token());
        assert_eq!(left, won.then(|| request.token()));
        assert_eq!(ledger.claims.count(), usize::from(won));
    });
}

/// Fails when `complete` takes another's live reservation for its own, or replaces a completed
/// record: then both owners have recorded.
#[test]
fn of_a_late_owner_and_the_one_who_took_over_one_result_stands() {
    loom::model(|| {
        let ledger = store();
        let late = reserved(&ledger);
        let successor = {
            let ledger = ledger.clone();
            thread::spawn(move || {
                let id = id();
                let request = Reserve::new(&id, Envelope::new("loom::charge"));
                let won = won(&ledger, &request, second(31));
                won.then(|| {
                    let outcome = complete(&ledger, request.record(), second(31));
                    assert!(matches!(outcome, CompleteOutcome::Recorded));
                    request.token()
                })
            })
        };
        let outcome = complete(&ledger, &late, second(31));
        let taken_by = successor.join().unwrap();

        let stands = ledger.load(&id(), second(31)).unwrap();
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
        let ledger = store();
        let late = reserved(&ledger);
        let renewing = {
            let ledger = ledger.clone();
            thread::spawn(move || {
                let id = id();
                ledger.renew(&Renew::new(&id, &late, 10 * LEASE), second(29))
            })
        };
        let id = id();
        let request = Reserve::new(&id, Envelope::new("loom::charge"));
        let won = won(&ledger, &request, second(31));
        let renewed = renewing.join().unwrap() == RenewOutcome::Renewed;
        assert_ne!(won, renewed);
        let stands = ledger.load(&id, second(31)).unwrap();
        let lease = if won { LEASE } else { 10 * LEASE - Duration::from_secs(2) };
        assert_eq!(stands.remaining, Some(lease));
    });
}

/// Fails when the cap is checked and counted in two steps.
#[test]
fn the_cap_holds_under_racing_reservations() {
    loom::model(|| {
        let ledger = Arc::new(Ledger {
            claims: Claims::new(8, 1, KeyHasher::default()),
            completed: Finished::default(),
        });
        let claim = |key: u64| {
            let ledger = ledger.clone();
            move || {
                let id = RecordId::of("loom::charge", None, &key).unwrap();
                won(&ledger, &Reserve::new(&id, Envelope::new("loom::charge")), second(0))
            }
        };
        let other = thread::spawn(claim(1));
        let mine = claim(2)();
        let theirs = other.join().unwrap();
        assert_eq!(usize::from(mine) + usize::from(theirs), 1);
        assert_eq!(ledger.claims.count(), 1);
    });
}
