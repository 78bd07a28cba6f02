//! `Mover`: what it copies, what it leaves, and what happens under its hands.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use idempotent_core::Store;
use idempotent_core::backends::{MemoryStore, MoveReport, Mover};
use idempotent_core::model::RecordId;
use idempotent_core::model::{NotKept, Outcome, Record};
use idempotent_core::store::{
    Complete, CompleteOutcome, Correct, CorrectOutcome, Cursor, Entry, Page, Release, Renew,
    RenewOutcome, Reserve, ReserveOutcome, Scan, State, StoreError,
};
use idempotent_core::testing::{Fault, FaultyStore, ManualClock, StoreMethod, When};
use idempotent_tests::{Attempt, HOUR, secs};

/// Two stores on one clock.
fn stores() -> (MemoryStore, MemoryStore, ManualClock) {
    let clock = ManualClock::new();
    let store = || MemoryStore::builder().clock(Arc::new(clock.clone())).build();
    (store(), store(), clock)
}

async fn completed(store: &MemoryStore, attempt: &Attempt) -> Record {
    let reservation = attempt.win(store).await;
    attempt.record(store, &reservation, b"receipt").await;
    reservation.completed(b"receipt")
}

async fn moved(from: impl Store, to: impl Store) -> MoveReport {
    let mover = Mover::new(from, to).page(3);
    let mut pass = mover.pass();
    while pass.next().await.unwrap() {}
    *pass.report()
}

#[tokio::test]
async fn every_result_is_copied_byte_for_byte_for_what_is_left_of_its_ttl_and_only_once() {
    let (old, new, clock) = stores();
    let attempts: Vec<_> = (0..20).map(|_| Attempt::new()).collect();
    for attempt in &attempts {
        completed(&old, attempt).await;
    }
    clock.advance(secs(20));
    let looked = Mover::new(old.clone(), new.clone()).only_looks();
    let mut pass = looked.pass();
    while pass.next().await.unwrap() {}
    assert_eq!(pass.report().copied, 20);
    assert!(new.load(&attempts[0].id).await.unwrap().is_none(), "it only looked");

    let report = moved(old.clone(), new.clone()).await;
    assert_eq!((report.copied, report.left()), (20, 0), "{report:?}");
    for attempt in &attempts {
        let (there, here) = (new.load(&attempt.id).await, old.load(&attempt.id).await);
        let (there, here) = (there.unwrap().unwrap(), here.unwrap().unwrap());
        assert_eq!((there.state, there.record), (State::Completed, here.record));
        assert_eq!(there.remaining, here.remaining);
    }
    let again = moved(old, new).await;
    assert_eq!((again.copied, again.already_there), (0, 20));
}

#[tokio::test]
async fn what_has_not_ended_is_left_and_reported() {
    let (old, new, clock) = stores();
    Attempt::at_most_once().win(&old).await;
    clock.advance(Attempt::LEASE + secs(1));
    Attempt::new().win(&old).await;
    let report = moved(old, new.clone()).await;
    assert_eq!((report.indeterminate, report.running, report.left()), (1, 1, 2), "{report:?}");
    assert!(!report.is_done());
    let page = new.scan(&Scan::all()).await.unwrap();
    assert!(page.entries.is_empty(), "nothing of it is in the new store");
}

/// Its owner could not reach the old store at its end.
#[tokio::test]
async fn an_indeterminate_call_whose_result_is_in_the_new_store_is_not_left() {
    let (old, new, clock) = stores();
    let attempt = Attempt::at_most_once();
    let reservation = attempt.win(&old).await;
    attempt.record(&new, &reservation, b"receipt").await;
    clock.advance(Attempt::LEASE + secs(1));
    let report = moved(old, new).await;
    assert_eq!((report.already_there, report.left()), (1, 0), "{report:?}");
}

/// A process died after it had won the new store, and before it saw the result in the old one.
#[tokio::test]
async fn a_result_takes_the_place_of_a_call_that_never_ran() {
    let (old, new, clock) = stores();
    let attempt = Attempt::at_most_once();
    let record = completed(&old, &attempt).await;
    attempt.win(&new).await;
    let report = moved(old.clone(), new.clone()).await;
    assert_eq!((report.busy, report.copied), (1, 0), "it may run: {report:?}");
    clock.advance(Attempt::LEASE + secs(1));
    let report = moved(old, new.clone()).await;
    assert_eq!((report.copied, report.left()), (1, 0), "{report:?}");
    assert_eq!(report.replaced, 1, "it may have run, if its lease lapsed: {report:?}");
    assert_eq!(new.load(&attempt.id).await.unwrap().unwrap().record, record);
}

#[tokio::test]
async fn results_of_two_runs_are_reported_and_neither_is_touched() {
    let (old, new, _) = stores();
    let attempt = Attempt::new();
    completed(&old, &attempt).await;
    let other = attempt.win(&new).await;
    attempt.record(&new, &other, b"another").await;
    let report = moved(old, new.clone()).await;
    assert_eq!((report.conflicts, report.copied), (1, 0), "{report:?}");
    let there = new.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(there.record.outcome(), Outcome::Kept(b"another"));
}

/// What somebody else does to the old store while a copy is on its way to the new one.
#[derive(Clone, Copy)]
enum Meanwhile {
    Purge,
    Correct,
}

struct Interfering {
    old: MemoryStore,
    new: MemoryStore,
    meanwhile: Meanwhile,
    /// Before the look into the new store, and not before the copy.
    at_look: bool,
    is_done: AtomicBool,
}

impl Interfering {
    fn new(old: &MemoryStore, new: &MemoryStore, meanwhile: Meanwhile) -> Self {
        let (old, new, is_done) = (old.clone(), new.clone(), AtomicBool::new(false));
        Self { old, new, meanwhile, at_look: false, is_done }
    }

    async fn interfere(&self, id: &RecordId) -> Result<(), StoreError> {
        if self.is_done.swap(true, Ordering::SeqCst) {
            return Ok(());
        }
        match self.meanwhile {
            Meanwhile::Purge => drop(self.old.purge(id).await?),
            Meanwhile::Correct => {
                let seen = self.old.load(id).await?.unwrap().record;
                let better = seen.completed(b"better");
                let correct = Correct::new(id, &seen, &better, HOUR);
                assert_eq!(self.old.correct(&correct).await?, CorrectOutcome::Corrected);
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Store for Interfering {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        self.new.reserve(request).await
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        self.new.renew(request).await
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        if !self.at_look {
            self.interfere(request.id).await?;
        }
        self.new.complete(request).await
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        self.new.correct(request).await
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        self.new.release(request).await
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        if self.at_look {
            self.interfere(id).await?;
        }
        self.new.load(id).await
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        self.new.purge(id).await
    }

    /// Finds each record twice, as a scan may: on a page, and on a second one that is its end.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        let mut page = self.new.scan(&Scan::all()).await?;
        page.entries.extend(page.entries.clone());
        page.next = request.cursor.is_none().then(|| Cursor("again".to_owned()));
        Ok(page)
    }
}

#[tokio::test]
async fn a_record_that_a_scan_finds_twice_on_a_page_or_on_two_was_not_there_already() {
    let (old, new, _) = stores();
    for _ in 0..5 {
        completed(&old, &Attempt::new()).await;
    }
    let twice = Interfering::new(&new, &old, Meanwhile::Purge);
    let report = moved(twice, new).await;
    assert_eq!((report.copied, report.already_there), (5, 0), "{report:?}");
}

#[tokio::test]
async fn what_is_purged_while_it_is_copied_is_taken_back() {
    let (old, new, clock) = stores();
    let attempt = Attempt::new();
    completed(&old, &attempt).await;
    let to = Interfering::new(&old, &new, Meanwhile::Purge);
    let report = moved(old, to).await;
    assert_eq!(report.taken_back, 1, "{report:?}");
    clock.advance(secs(1));
    assert!(new.load(&attempt.id).await.unwrap().is_none());
}

#[tokio::test]
async fn what_is_corrected_while_it_is_copied_is_followed() {
    let (old, new, _) = stores();
    let attempt = Attempt::new();
    completed(&old, &attempt).await;
    let to = Interfering::new(&old, &new, Meanwhile::Correct);
    let report = moved(old, to).await;
    assert_eq!((report.corrected, report.left()), (1, 0), "{report:?}");
    let there = new.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(there.record.outcome(), Outcome::Kept(b"better"));
}

#[tokio::test]
async fn a_result_that_is_corrected_after_it_was_copied_is_corrected_by_the_next_pass() {
    let (old, new, _) = stores();
    let attempt = Attempt::new();
    let record = completed(&old, &attempt).await;
    moved(old.clone(), new.clone()).await;
    let better = record.completed(b"better");
    old.correct(&Correct::new(&attempt.id, &record, &better, HOUR)).await.unwrap();
    let report = moved(old, new.clone()).await;
    assert_eq!((report.corrected, report.left()), (1, 0), "{report:?}");
    assert_eq!(new.load(&attempt.id).await.unwrap().unwrap().record, better);
}

#[tokio::test]
async fn a_page_that_failed_is_read_again_and_nothing_is_skipped() {
    let (old, new, _) = stores();
    for _ in 0..10 {
        completed(&old, &Attempt::new()).await;
    }
    let to =
        FaultyStore::new(new.clone()).on(StoreMethod::Complete, When::Nth(4), Fault::LoseAnswer);
    let mover = Mover::new(old, to).page(3).concurrency(1);
    let (mut pass, mut failures) = (mover.pass(), 0);
    loop {
        match pass.next().await {
            Ok(true) => {}
            Ok(false) => break,
            Err(_) => failures += 1,
        }
    }
    assert_eq!(failures, 1);
    assert_eq!(new.scan(&Scan::all()).await.unwrap().entries.len(), 10);
}

#[tokio::test]
async fn what_is_purged_after_the_page_was_read_is_not_copied() {
    let (old, new, _) = stores();
    completed(&old, &Attempt::new()).await;
    let to = Interfering { at_look: true, ..Interfering::new(&old, &new, Meanwhile::Purge) };
    let report = moved(old, to).await;
    assert_eq!((report.copied, report.taken_back, report.left()), (0, 0, 0), "{report:?}");
}

#[tokio::test]
async fn what_is_purged_while_a_copy_loses_its_answer_is_taken_back() {
    let (old, new, clock) = stores();
    let attempt = Attempt::new();
    completed(&old, &attempt).await;
    let to = FaultyStore::new(Interfering::new(&old, &new, Meanwhile::Purge));
    to.inject(StoreMethod::Complete, When::Nth(1), Fault::LoseAnswer);
    let mover = Mover::new(old, to);
    let mut pass = mover.pass();
    pass.next().await.unwrap_err();
    assert_eq!(pass.report().taken_back, 1, "{:?}", pass.report());
    clock.advance(secs(1));
    assert!(new.load(&attempt.id).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn copies_that_have_begun_are_ended_and_counted_though_another_one_fails() {
    let (old, new, _) = stores();
    for _ in 0..8 {
        completed(&old, &Attempt::new()).await;
    }
    let to = FaultyStore::new(new.clone());
    to.inject(StoreMethod::Complete, When::Nth(1), Fault::Fail);
    to.inject(StoreMethod::Complete, When::From(2), Fault::DelayAnswer(secs(1)));
    let mover = Mover::new(old, to).concurrency(8);
    let mut pass = mover.pass();
    pass.next().await.unwrap_err();
    assert_eq!(pass.report().copied, 7, "{:?}", pass.report());
    while pass.next().await.unwrap() {}
    assert_eq!((pass.report().copied, pass.report().left()), (8, 0), "{:?}", pass.report());
}

#[tokio::test]
async fn a_result_that_the_old_store_has_evicted_stays_in_the_new_one() {
    let (old, new, _) = stores();
    let attempt = Attempt::new();
    let reservation = attempt.win(&old).await;
    attempt.record(&new, &reservation, b"receipt").await;
    let tombstone = reservation.tombstone(NotKept::Evicted);
    let complete = Complete::new(&attempt.id, &reservation, &tombstone, HOUR);
    old.complete(&complete).await.unwrap();
    let report = moved(old, new.clone()).await;
    assert_eq!((report.already_there, report.corrected), (1, 0), "{report:?}");
    let there = new.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(there.record.outcome(), Outcome::Kept(b"receipt"));
}
