//! How often the disk is waited for: each write is in a commit before it is answered, and writes that
//! come together are in one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use idempotent_core::backends::SqliteStore;
use idempotent_core::store::{CompleteOutcome, ReserveOutcome, State, Store, StoreErrorKind};
use idempotent_core::{Idempotency, Operation};
use idempotent_tests::{Attempt, Runs, call, millis, secs};
use sqlx::Connection as _;
use sqlx::sqlite::SqlitePoolOptions;
use tokio::task::JoinSet;

use super::database::Database;

/// A pool whose commits are counted.
pub(crate) async fn counted(database: &Database) -> (SqliteStore, Arc<AtomicUsize>) {
    let commits = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&commits);
    let pool = SqlitePoolOptions::new()
        .max_connections(2)
        .after_connect(move |connection, _| {
            let counter = Arc::clone(&counter);
            Box::pin(async move {
                connection.lock_handle().await?.set_commit_hook(move || {
                    counter.fetch_add(1, Ordering::Relaxed);
                    true
                });
                Ok(())
            })
        })
        .connect_lazy_with(database.options().create_if_missing(true));
    let store = SqliteStore::builder(pool).response_timeout(secs(30)).sweep_every(None);
    (store.connect().await.unwrap(), commits)
}

#[tokio::test]
async fn an_execution_commits_twice_and_a_replay_never() {
    let database = Database::new();
    let (store, commits) = counted(&database).await;
    let (engine, runs) = (Idempotency::new(store.clone()), Runs::new());
    commits.store(0, Ordering::Relaxed);
    call(&engine, Operation::new("charge"), "k", &runs).await.unwrap();
    assert_eq!(commits.swap(0, Ordering::Relaxed), 2);
    call(&engine, Operation::new("charge"), "k", &runs).await.unwrap();
    assert_eq!(commits.swap(0, Ordering::Relaxed), 0);
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    commits.store(0, Ordering::Relaxed);
    assert!(matches!(attempt.reserve(&store).await.unwrap(), ReserveOutcome::Taken(_)));
    assert_eq!(commits.swap(0, Ordering::Relaxed), 0, "a refusal only reads");
    attempt.renew(&store, &owner).await.unwrap();
    assert_eq!(commits.swap(0, Ordering::Relaxed), 1);
    attempt.release(&store, &owner).await.unwrap();
    assert_eq!(commits.swap(0, Ordering::Relaxed), 1);
}

const AT_ONCE: usize = 60;

/// So many reservations.
async fn won(store: &SqliteStore) -> Vec<(Attempt, idempotent_core::model::Record)> {
    let mut won = Vec::new();
    for _ in 0..AT_ONCE {
        let attempt = Attempt::new();
        let owner = attempt.win(store).await;
        won.push((attempt, owner));
    }
    won
}

#[tokio::test]
async fn writes_that_come_while_the_file_is_busy_are_one_commit() {
    let database = Database::new();
    let (store, commits) = counted(&database).await;
    let won = won(&store).await;
    let mut aside = database.aside().await;
    let busy = aside.begin_with("BEGIN IMMEDIATE").await.unwrap();
    commits.store(0, Ordering::SeqCst);
    let mut tasks = JoinSet::new();
    for (attempt, owner) in won {
        let store = store.clone();
        tasks.spawn(async move { attempt.record(&store, &owner, b"receipt").await });
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    assert!(tasks.try_join_next().is_none(), "nothing is answered before it is in the file");
    busy.rollback().await.unwrap();
    tasks.join_all().await;
    let commits = commits.load(Ordering::SeqCst);
    assert!(commits < AT_ONCE / 4, "{commits} commits for {AT_ONCE} writes");
    let done = database.number("SELECT count(expires_at) FROM idempotent_records").await;
    assert_eq!(done, AT_ONCE as i64);
}

#[tokio::test]
async fn a_write_that_the_file_has_no_room_for_takes_no_other_with_it() {
    let database = Database::new();
    let store = database.store().await;
    let won = won(&store).await;
    store.close().await;
    let pages = database.number("PRAGMA page_count").await + 4;
    let options = database.options().pragma("max_page_count", pages.to_string());
    let pool = database.pool(1, options);
    // One by one they wait for the disk sixty times.
    let store = SqliteStore::builder(pool).response_timeout(secs(30)).sweep_every(None);
    let store = store.connect().await.unwrap();
    let mut aside = database.aside().await;
    let busy = aside.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut tasks = JoinSet::new();
    for (number, (attempt, owner)) in won.into_iter().enumerate() {
        let store = store.clone();
        tasks.spawn(async move {
            let is_large = number == AT_ONCE / 2;
            let result = vec![7; if is_large { 1 << 20 } else { 1 }];
            (is_large, attempt.complete(&store, &owner, &result).await)
        });
    }
    tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    busy.rollback().await.unwrap();
    for (is_large, outcome) in tasks.join_all().await {
        match outcome {
            Ok(CompleteOutcome::Recorded) => assert!(!is_large),
            Err(error) => assert!(is_large && error.kind() == StoreErrorKind::Full, "{error:?}"),
            other => panic!("{other:?}"),
        }
    }
    // The only connection is as good as new.
    let attempt = Attempt::new();
    attempt.win(&store).await;
    assert!(store.purge(&attempt.id).await.unwrap());
    assert_eq!(database.number("SELECT count(*) FROM idempotent_records_purges").await, 1);
}

#[tokio::test]
async fn a_write_whose_time_is_over_before_its_turn_does_not_happen_later() {
    let database = Database::new();
    let store = database.impatient().await;
    let mut aside = database.aside().await;
    let busy = aside.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..AT_ONCE {
        let store = store.clone();
        tasks.spawn(async move { Attempt::new().reserve(&store).await });
    }
    for outcome in tasks.join_all().await {
        assert_eq!(outcome.unwrap_err().kind(), StoreErrorKind::Timeout);
    }
    busy.rollback().await.unwrap();
    let (attempt, _) = Attempt::win_soon(&store).await;
    let stands = database.store().await.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(stands.state, State::Reserved);
    // What was on its way into the file when its time was over may be there.
    let rows = database.rows().await;
    assert!(rows < AT_ONCE as i64, "{rows} rows");
}

/// More than a few commits take.
const QUEUED: usize = 600;

#[tokio::test]
async fn a_renewal_overtakes_the_writes_that_wait() {
    let database = Database::new();
    let store = database.builder().response_timeout(secs(30)).connect().await.unwrap();
    let running = Attempt::new();
    let owner = running.win(&store).await;
    let mut aside = database.aside().await;
    let lock = aside.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let (mut writes, written) = (JoinSet::new(), Arc::new(AtomicUsize::new(0)));
    for _ in 0..QUEUED {
        let (store, written) = (store.clone(), Arc::clone(&written));
        writes.spawn(async move {
            Attempt::new().win(&store).await;
            written.fetch_add(1, Ordering::Relaxed);
        });
    }
    // Each has looked, and waits for the file, before the renewal comes.
    tokio::time::sleep(secs(2)).await;
    let renewal = async {
        running.renew(&store, &owner).await.unwrap();
        written.load(Ordering::Relaxed)
    };
    let unlock = async {
        tokio::time::sleep(millis(100)).await;
        lock.rollback().await.unwrap();
    };
    let (before, ()) = tokio::join!(renewal, unlock);
    assert!(before < QUEUED / 2, "{before} writes came first");
    writes.join_all().await;
}
