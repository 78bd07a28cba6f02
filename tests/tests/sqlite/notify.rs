//! Who waits is woken, and who keeps copies hears of purges: at once within a store, and soon across
//! processes, as which two stores on one file count.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use idempotent_core::Store;
use idempotent_core::backends::NearCache;
use idempotent_core::store::LocalStore as _;
use idempotent_core::store::{Correct, CorrectOutcome, PurgeObserver, Wait};
use idempotent_tests::{Attempt, secs, until_within};

use super::database::Database;

const NEVER: Duration = Duration::from_secs(3600);

/// A loaded machine is slow, and a lost wake-up slower.
const SOON: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_waiter_in_the_owners_process_is_woken_without_looking() {
    let database = Database::new();
    let store = database.builder().wait_pauses(NEVER, NEVER).connect().await.unwrap();
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    let waiter = tokio::spawn({
        let (store, id, token) = (store.clone(), attempt.id.clone(), owner.token());
        async move { store.wait(&Wait::new(&id, token, secs(60))).await }
    });
    // Its first look has found the call running.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begin = Instant::now();
    attempt.record(&store, &owner, b"receipt").await;
    waiter.await.unwrap().unwrap();
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_waiter_in_another_process_wakes_soon_after_the_end() {
    let database = Database::new();
    let (owners, waiters) = (database.store().await, database.store().await);
    let attempt = Attempt::new();
    let owner = attempt.win(&owners).await;
    let waiter = tokio::spawn({
        let (id, token) = (attempt.id.clone(), owner.token());
        async move { waiters.wait(&Wait::new(&id, token, secs(60))).await }
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!waiter.is_finished());
    let begin = Instant::now();
    attempt.record(&owners, &owner, b"receipt").await;
    waiter.await.unwrap().unwrap();
    println!("woken {:?} after the end", begin.elapsed());
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
}

#[tokio::test]
async fn a_purge_by_another_process_drops_the_copy_and_no_other() {
    let database = Database::new();
    let store = database.store().await;
    // A cache doubts its copies when its store begins to listen.
    let heard = Arc::new(Heard::default());
    let observer: Arc<dyn PurgeObserver> = heard.clone();
    assert!(store.observe_purges(Arc::downgrade(&observer)));
    until_within(secs(20), || async { heard.missed.load(Ordering::SeqCst) == 1 }).await;
    let near = NearCache::new(store);
    let operator = database.store().await;
    let (gone, kept) = (copied(&near).await, copied(&near).await);
    assert!(near.hears_purges());
    bring(&near, &gone).await;
    bring(&near, &kept).await;
    assert!(operator.purge(&gone.id).await.unwrap());
    until_within(secs(20), || async { near.completed(&gone.id).is_none() }).await;
    assert!(near.completed(&kept.id).is_some());
}

#[tokio::test]
async fn a_correction_by_another_process_drops_the_copy() {
    let database = Database::new();
    let near = NearCache::new(database.store().await);
    let operator = database.store().await;
    let wrong = copied(&near).await;
    bring(&near, &wrong).await;
    let seen = operator.load(&wrong.id).await.unwrap().unwrap().record;
    let right = seen.completed(b"right");
    let correct = Correct::new(&wrong.id, &seen, &right, secs(3600));
    assert_eq!(operator.correct(&correct).await.unwrap(), CorrectOutcome::Corrected);
    until_within(secs(20), || async {
        near.completed(&wrong.id).is_none_or(|copy| copy.record == right)
    })
    .await;
    let late = Correct::new(&wrong.id, &seen, &seen, secs(3600));
    assert_eq!(operator.correct(&late).await.unwrap(), CorrectOutcome::Changed);
}

async fn copied(near: &NearCache<idempotent_core::backends::SqliteStore>) -> Attempt {
    let attempt = Attempt::new();
    let owner = attempt.win(near).await;
    attempt.record(near, &owner, b"receipt").await;
    attempt
}

async fn bring(near: &NearCache<idempotent_core::backends::SqliteStore>, attempt: &Attempt) {
    until_within(secs(20), || async {
        attempt.reserve(near).await.unwrap();
        near.completed(&attempt.id).is_some()
    })
    .await;
}

#[derive(Default)]
struct Heard {
    purged: AtomicUsize,
    missed: AtomicUsize,
}

impl PurgeObserver for Heard {
    fn purged(&self, _: &[u8; 32]) {
        self.purged.fetch_add(1, Ordering::SeqCst);
    }

    fn purges_missed(&self) {
        self.missed.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn purges_that_are_not_told_any_more_are_missed_and_so_are_those_of_an_unreadable_file() {
    let database = Database::new();
    let (store, operator) = (database.store().await, database.store().await);
    let heard = Arc::new(Heard::default());
    let observer: Arc<dyn PurgeObserver> = heard.clone();
    assert!(store.observe_purges(Arc::downgrade(&observer)));
    until_within(secs(20), || async { heard.missed.load(Ordering::SeqCst) == 1 }).await;
    for _ in 0..3 {
        let attempt = Attempt::new();
        attempt.win(&operator).await;
        operator.purge(&attempt.id).await.unwrap();
    }
    until_within(secs(20), || async { heard.purged.load(Ordering::SeqCst) == 3 }).await;
    assert_eq!(heard.missed.load(Ordering::SeqCst), 1);
    // As if it had slept while others purged and swept.
    database.run("UPDATE idempotent_records_purges SET number = number + 10").await;
    until_within(secs(20), || async { heard.missed.load(Ordering::SeqCst) == 2 }).await;
    database.run("ALTER TABLE idempotent_records_purges RENAME TO aside").await;
    until_within(secs(20), || async { heard.missed.load(Ordering::SeqCst) == 3 }).await;
    database.run("ALTER TABLE aside RENAME TO idempotent_records_purges").await;
    until_within(secs(20), || async { heard.missed.load(Ordering::SeqCst) == 4 }).await;
}

#[tokio::test]
async fn purges_are_numbered_on_after_a_sweep() {
    let database = Database::new();
    let store = database.store().await;
    for number in 1..=3 {
        let attempt = Attempt::new();
        attempt.win(&store).await;
        store.purge(&attempt.id).await.unwrap();
        database.run("UPDATE idempotent_records_purges SET purged_at = 0").await;
        store.sweep().await.unwrap();
        let (count, last) = (
            database.number("SELECT count(*) FROM idempotent_records_purges").await,
            database.number("SELECT max(number) FROM idempotent_records_purges").await,
        );
        assert_eq!((count, last), (1, number));
    }
}
