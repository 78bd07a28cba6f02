//! Stores beside a pool of the application: what its calls hold, what it leaves open, what `SQLite` ended on
//! it, and what becomes of its file.

use idempotent_core::backends::SqliteStore;
use idempotent_core::store::{ReserveOutcome, State, Store};
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_tests::{Attempt, Runs, call, millis, secs, until_within};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteLockingMode};
use sqlx::{Executor as _, SqlitePool};
use tokio::task::JoinSet;

use super::database::Database;

/// A machine that stands still for seconds does not end it: it is renewed after a third.
const LEASE: std::time::Duration = secs(6);

fn creating(database: &Database) -> SqliteConnectOptions {
    database.options().create_if_missing(true).journal_mode(SqliteJournalMode::Wal)
}

async fn on(pool: &SqlitePool) -> SqliteStore {
    SqliteStore::builder(pool.clone()).response_timeout(secs(5)).connect().await.unwrap()
}

async fn assert_works(store: &SqliteStore) {
    let attempt = Attempt::new();
    let owner = attempt.win(store).await;
    attempt.record(store, &owner, b"receipt").await;
    assert!(matches!(attempt.reserve(store).await.unwrap(), ReserveOutcome::Taken(_)));
    assert!(store.purge(&attempt.id).await.unwrap());
}

#[tokio::test]
async fn leases_are_renewed_while_bodies_hold_every_connection_of_the_pool() {
    let database = Database::new();
    let pool = database.pool(2, creating(&database));
    let here = Idempotency::new(on(&pool).await);
    let elsewhere = Idempotency::new(database.store().await);
    let (operation, runs) = (Operation::new("shop::charge").lease(LEASE), Runs::new());
    let mut bodies = JoinSet::new();
    for key in ["one", "two"] {
        let (pool, runs, engine) = (pool.clone(), runs.clone(), here.clone());
        bodies.spawn(async move {
            let call = operation.key(key).engine(&engine);
            let call = call.returning::<Result<usize, idempotent_core::Error>>();
            call.run(|| async move {
                let _held = pool.acquire().await.unwrap();
                tokio::time::sleep(LEASE * 3 / 2).await;
                Ok(runs.note())
            })
            .await
        });
    }
    until_within(secs(10), async || pool.num_idle() == 0 && pool.size() == 2).await;
    let duplicate = Runs::new();
    while !bodies.is_empty() {
        if let Ok(ended) = tokio::time::timeout(millis(100), bodies.join_next()).await {
            ended.unwrap().unwrap().unwrap();
            continue;
        }
        for key in ["one", "two"] {
            if let Err(refused) = call(&elsewhere, operation, key, &duplicate).await {
                assert!(
                    matches!(refused.kind(), ErrorKind::InProgress | ErrorKind::Decode),
                    "{refused:?}"
                );
            }
        }
    }
    assert_eq!((runs.count(), duplicate.count()), (2, 0), "a lease lapsed");
}

#[tokio::test]
async fn a_transaction_that_the_application_left_open_takes_no_record_with_it() {
    let database = Database::new();
    let pool = database.pool(1, creating(&database));
    let store = on(&pool).await;
    let mut left = pool.acquire().await.unwrap();
    left.execute("BEGIN").await.unwrap();
    drop(left);
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    attempt.record(&store, &owner, b"receipt").await;
    let elsewhere = database.store().await;
    let entry = elsewhere.load(&attempt.id).await.unwrap().expect("it is committed");
    assert_eq!(entry.state, State::Completed);
    pool.acquire().await.unwrap().execute("ROLLBACK").await.ok();
    pool.close().await;
    assert!(elsewhere.load(&attempt.id).await.unwrap().is_some());
}

/// A connection that sqlx takes for one within a transaction, which it cannot end.
async fn end_a_transaction(pool: &SqlitePool) {
    pool.execute("CREATE TABLE IF NOT EXISTS large (hex)").await.unwrap();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    let fills = "INSERT INTO large VALUES (hex(zeroblob(10000000)))";
    let full = sqlx::query(fills).execute(&mut *tx).await.unwrap_err();
    assert!(full.to_string().contains("full"), "{full}");
    drop(tx);
    assert!(pool.begin_with("BEGIN IMMEDIATE").await.is_err(), "it has not refused to begin");
}

#[tokio::test]
async fn a_connection_whose_transaction_sqlite_has_ended_is_in_nobodys_way() {
    let database = Database::new();
    let pool = database.pool(1, creating(&database).pragma("max_page_count", "200"));
    let store = on(&pool).await;
    end_a_transaction(&pool).await;
    for _ in 0..3 {
        assert_works(&store).await;
    }
    store.migrate().await.unwrap();
    store.sweep().await.unwrap();
    store.scan(&idempotent_core::store::Scan::all()).await.unwrap();
}

#[tokio::test]
async fn a_store_opens_on_a_connection_whose_transaction_sqlite_has_ended_or_the_application_left()
{
    for ends in [true, false] {
        let database = Database::new();
        let pool = database.pool(1, creating(&database).pragma("max_page_count", "200"));
        if ends {
            end_a_transaction(&pool).await;
        } else {
            pool.acquire().await.unwrap().execute("BEGIN").await.unwrap();
        }
        let store = on(&pool).await;
        assert_works(&store).await;
        assert_works(&database.store().await).await;
    }
}

#[tokio::test]
async fn a_pool_that_locks_its_file_is_shared_and_what_is_open_on_it_is_closed() {
    let database = Database::new();
    let options = creating(&database).locking_mode(SqliteLockingMode::Exclusive);
    let pool = database.pool(1, options.pragma("max_page_count", "200"));
    let store = on(&pool).await;
    assert_works(&store).await;
    pool.acquire().await.unwrap().execute("BEGIN").await.unwrap();
    assert_works(&store).await;
    end_a_transaction(&pool).await;
    assert_works(&store).await;
}

#[tokio::test]
async fn a_store_of_options_that_lock_the_file_has_one_connection_for_everything() {
    let database = Database::new();
    let options = creating(&database).locking_mode(SqliteLockingMode::Exclusive);
    let store = SqliteStore::builder(options).max_connections(1).connect().await.unwrap();
    assert_works(&store).await;
}

#[tokio::test]
async fn a_file_that_was_replaced_is_opened_anew() {
    let database = Database::new();
    let options = creating(&database).journal_mode(SqliteJournalMode::Delete);
    let store = SqliteStore::builder(options).connect().await.unwrap();
    assert_works(&store).await;
    let aside = database.file().with_extension("old");
    std::fs::copy(database.file(), &aside).unwrap();
    std::fs::remove_file(database.file()).unwrap();
    std::fs::rename(&aside, database.file()).unwrap();
    let attempt = Attempt::new();
    until_within(secs(10), async || attempt.reserve(&store).await.is_ok()).await;
    let there = database.store().await;
    assert!(there.load(&attempt.id).await.unwrap().is_some(), "it is in the file of that name");
}

#[tokio::test]
async fn the_file_is_whole_once_the_application_has_closed_its_pool() {
    let database = Database::new();
    let pool = database.pool(2, creating(&database));
    let store = on(&pool).await;
    assert_works(&store).await;
    pool.close().await;
    let log = database.file().with_extension("db-wal");
    until_within(secs(10), async || !log.exists()).await;
    drop(store);
}

#[tokio::test]
async fn a_closed_store_is_used_on_with_the_applications_connections() {
    let database = Database::new();
    let pool = database.pool(2, creating(&database));
    let store = on(&pool).await;
    store.close().await;
    assert_works(&store).await;
}
