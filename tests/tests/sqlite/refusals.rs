//! Files and pools that refuse: each is an error of its kind, in time, and what can still be read is
//! replayed.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use idempotent_core::backends::SqliteStore;
use idempotent_core::store::{
    CompleteOutcome, ReserveOutcome, State, Store, StoreError, StoreErrorKind,
};
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_tests::{Attempt, Runs, call, secs, until_within};
use sqlx::Connection as _;
use sqlx::sqlite::SqlitePoolOptions;

use super::database::{Database, SLACK, TIMEOUT};

fn taken(outcome: Result<ReserveOutcome, StoreError>) -> State {
    match outcome {
        Ok(ReserveOutcome::Taken(entry)) => entry.state,
        other => panic!("{other:?}"),
    }
}

/// A completed record.
async fn completed(store: &SqliteStore) -> Attempt {
    let attempt = Attempt::new();
    let owner = attempt.win(store).await;
    attempt.record(store, &owner, b"receipt").await;
    attempt
}

/// Everything that writes is refused, and nothing is lost or won by that.
async fn assert_refuses(store: &SqliteStore, kind: StoreErrorKind, says: &str) {
    let begin = Instant::now();
    let error = Attempt::new().reserve(store).await.unwrap_err();
    assert!(begin.elapsed() < TIMEOUT + SLACK, "{:?}", begin.elapsed());
    assert_eq!(error.kind(), kind, "{error:?}");
    assert!(error.to_string().contains(says), "{error}");
}

#[tokio::test]
async fn a_file_that_another_connection_keeps_locked_times_out_and_results_replay_meanwhile() {
    let database = Database::new();
    let patient = database.store().await;
    let store = database.impatient().await;
    let done = completed(&patient).await;
    let running = Attempt::new();
    let owner = running.win(&patient).await;
    let mut aside = database.aside().await;
    let lock = aside.begin_with("BEGIN IMMEDIATE").await.unwrap();
    for _ in 0..3 {
        assert_refuses(&store, StoreErrorKind::Timeout, "").await;
    }
    assert_eq!(running.renew(&store, &owner).await.unwrap_err().kind(), StoreErrorKind::Timeout);
    assert_eq!(taken(done.reserve(&store).await), State::Completed);
    lock.rollback().await.unwrap();
    until_within(secs(20), || async {
        let outcome = running.complete(&store, &owner, b"receipt").await;
        outcome.is_ok_and(|it| matches!(it, CompleteOutcome::Recorded))
    })
    .await;
}

#[tokio::test]
async fn a_file_that_stays_locked_cannot_be_opened_and_says_so_in_time() {
    let database = Database::new();
    let mut aside = database.options().create_if_missing(true);
    aside = aside.locking_mode(sqlx::sqlite::SqliteLockingMode::Exclusive);
    let mut aside = sqlx::ConnectOptions::connect(&aside).await.unwrap();
    sqlx::raw_sql("BEGIN EXCLUSIVE; CREATE TABLE t (i)").execute(&mut aside).await.unwrap();
    let begin = Instant::now();
    let error = database.builder().response_timeout(TIMEOUT).connect().await.unwrap_err();
    assert!(begin.elapsed() < TIMEOUT + SLACK, "{:?}", begin.elapsed());
    assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
}

#[tokio::test]
async fn a_full_file_is_full_and_results_replay() {
    let database = Database::new();
    let store = database.store().await;
    let done = completed(&store).await;
    let running = Attempt::new();
    let owner = running.win(&store).await;
    store.close().await;
    let pages = database.number("PRAGMA page_count").await;
    let options = database.options().pragma("max_page_count", pages.to_string());
    let store = SqliteStore::builder(database.pool(2, options)).connect().await.unwrap();
    let large = running.complete(&store, &owner, &[7; 100_000]).await.unwrap_err();
    assert_eq!(large.kind(), StoreErrorKind::Full, "{large:?}");
    assert_eq!(taken(done.reserve(&store).await), State::Completed);
    assert_eq!(taken(running.reserve(&store).await), State::Reserved, "it is as it was");
    running.release(&store, &owner).await.unwrap();
}

#[tokio::test]
async fn a_file_that_can_only_be_read_replays_and_says_what_is_wrong() {
    let database = Database::new();
    let store = database.store().await;
    let done = completed(&store).await;
    let pool = database.pool(2, database.options().read_only(true));
    let reader = SqliteStore::builder(pool).connect().await.unwrap();
    assert_eq!(taken(done.reserve(&reader).await), State::Completed);
    assert_refuses(&reader, StoreErrorKind::Unavailable, "can only be read").await;
    let purge = reader.purge(&done.id).await.unwrap_err();
    assert!(purge.to_string().contains("can only be read"), "{purge}");
    assert_eq!(taken(done.reserve(&store).await), State::Completed);
}

#[tokio::test]
async fn a_file_that_can_only_be_read_and_has_no_tables_is_refused() {
    let database = Database::new();
    database.pool(1, database.options().create_if_missing(true)).acquire().await.unwrap();
    database.run("PRAGMA journal_mode = DELETE; CREATE TABLE other (i)").await;
    let pool = database.pool(1, database.options().read_only(true));
    let error = SqliteStore::builder(pool).connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable);
    assert!(error.to_string().contains("can only be read"), "{error}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_stays_as_it_is() {
    let database = Database::new();
    let letter = "Dear Sir or Madam, ".repeat(500);
    std::fs::write(database.file(), &letter).unwrap();
    let error = database.builder().connect().await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Malformed, "{error:?}");
    assert!(error.to_string().contains("not a sqlite database"), "{error}");
    assert_eq!(std::fs::read_to_string(database.file()).unwrap(), letter);
}

#[tokio::test]
async fn a_damaged_file_is_malformed_and_runs_nothing() {
    let database = Database::new();
    let store = database.store().await;
    completed(&store).await;
    store.close().await;
    let page = "SELECT rootpage - 1 FROM sqlite_schema WHERE name = 'idempotent_records'";
    let page = database.number(page).await as u64;
    let size = database.number("PRAGMA page_size").await as u64;
    let mut file = std::fs::File::options().write(true).open(database.file()).unwrap();
    for page in [page, page + 1] {
        file.seek(SeekFrom::Start(page * size)).unwrap();
        file.write_all(&vec![0xA5; size as usize]).unwrap();
    }
    let (runs, store) = (Runs::new(), database.store().await);
    let error = Attempt::new().reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Malformed, "{error:?}");
    let refused = call(&Idempotency::new(store), Operation::new("charge"), "k", &runs).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::Incompatible);
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_no_place_for_a_file() {
    let database = Database::new();
    let error = SqliteStore::connect(database.file().join("deeper")).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    assert!(error.to_string().ends_with("does not exist: create it"), "{error}");
}

#[tokio::test]
async fn a_database_without_a_file_is_refused() {
    let pool = SqlitePoolOptions::new().max_connections(1).connect_lazy("sqlite::memory:").unwrap();
    let pooled = SqliteStore::builder(pool).connect().await.unwrap_err();
    for error in [pooled, SqliteStore::connect(":memory:").await.unwrap_err()] {
        assert_eq!(error.kind(), StoreErrorKind::Unavailable);
        assert!(error.to_string().contains("without a file"), "{error}");
    }
}

#[tokio::test]
async fn a_missing_table_is_told_and_runs_nothing() {
    let database = Database::new();
    let store = database.store().await;
    completed(&store).await;
    database.run("DROP TABLE idempotent_records").await;
    assert_refuses(&store, StoreErrorKind::Unavailable, "tables of the store are missing").await;
    let (runs, engine) = (Runs::new(), Idempotency::new(store));
    let refused = call(&engine, Operation::new("charge"), "k", &runs).await.unwrap_err();
    assert_eq!((refused.kind(), runs.count()), (ErrorKind::Store, 0));
    assert!(refused.is_retryable() && refused.retry_after().is_some());
}

#[tokio::test]
async fn what_is_no_record_is_malformed_and_a_scan_tells_it_beside_the_others() {
    let database = Database::new();
    let store = database.store().await;
    let (garbage, other) = (completed(&store).await, completed(&store).await);
    let id: String = garbage.id.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    database
        .run(&format!("UPDATE idempotent_records SET record = x'00ff' WHERE id = x'{id}'"))
        .await;
    let error = garbage.reserve(&store).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Malformed, "{error:?}");
    let page = store.scan(&idempotent_core::store::Scan::all()).await.unwrap();
    let seen: Vec<_> = page.entries.iter().map(|(id, _)| id.clone()).collect();
    assert_eq!(seen, std::slice::from_ref(&other.id));
    assert_eq!(page.unreadable.len(), 1);
    assert_eq!(page.unreadable[0].id.as_ref(), Some(&garbage.id));
    assert_eq!(page.unreadable[0].key, id);
    assert!(store.purge(&garbage.id).await.unwrap(), "it can be got rid of");
    garbage.win(&store).await;
}

#[tokio::test]
async fn a_pool_without_a_free_connection_keeps_no_call_waiting() {
    let database = Database::new();
    let pool = database.pool(1, database.options().create_if_missing(true));
    // Longer than the disk takes: who waits for the connection waits for ever.
    let store = SqliteStore::builder(pool.clone()).response_timeout(secs(10));
    let store = store.connect().await.unwrap();
    let done = completed(&store).await;
    let only = pool.acquire().await.unwrap();
    assert_eq!(taken(done.reserve(&store).await), State::Completed);
    completed(&store).await;
    drop(only);
}

#[tokio::test]
async fn a_closed_pool_and_a_closed_store_are_unavailable() {
    let database = Database::new();
    let pool = database.pool(2, database.options().create_if_missing(true));
    let pooled = SqliteStore::builder(pool.clone()).connect().await.unwrap();
    pool.close().await;
    let own = database.store().await;
    own.close().await;
    for store in [pooled, own] {
        assert_refuses(&store, StoreErrorKind::Unavailable, "pool of connections is closed").await;
        let load = store.load(&Attempt::new().id).await.unwrap_err();
        assert_eq!(load.kind(), StoreErrorKind::Unavailable);
    }
}

#[tokio::test]
async fn a_store_that_is_closed_leaves_the_applications_pool_open() {
    let database = Database::new();
    let pool = database.pool(2, database.options().create_if_missing(true));
    let store = SqliteStore::builder(pool.clone()).connect().await.unwrap();
    store.close().await;
    pool.acquire().await.unwrap();
}
