//! What is over goes from the file, and what is not stays.

use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::SqliteStore;
use idempotent_tests::{Attempt, Log, secs, until_within};

use super::database::Database;

const YEAR: &str = "31536000000";

/// So many records of each kind: running, lost under both guarantees, completed.
async fn filled(database: &Database, each: usize) -> SqliteStore {
    let store = database.builder().sweep_every(None).connect().await.unwrap();
    for _ in 0..each {
        let done = Attempt::new();
        let owner = done.win(&store).await;
        done.record(&store, &owner, b"receipt").await;
        Attempt::new().win(&store).await;
        Attempt::at_most_once().win(&store).await;
    }
    store
}

#[tokio::test]
async fn a_sweep_removes_all_that_is_over_and_nothing_else() {
    let database = Database::new();
    let store = filled(&database, 150).await;
    assert_eq!(store.sweep().await.unwrap(), 0);
    // Leases are over, retentions and ttls are not.
    database.run("UPDATE idempotent_records SET lapses_at = lapses_at - 3600000").await;
    assert_eq!(store.sweep().await.unwrap(), 0);
    database.run(&format!("UPDATE idempotent_records SET expires_at = expires_at - {YEAR}")).await;
    assert_eq!(store.sweep().await.unwrap(), 150);
    database
        .run(&format!(
            "UPDATE idempotent_records SET lapses_at = lapses_at - {YEAR} WHERE guarantee = 0"
        ))
        .await;
    assert_eq!(store.sweep().await.unwrap(), 150);
    assert_eq!(database.number("SELECT min(guarantee) FROM idempotent_records").await, 1);
    assert_eq!(database.rows().await, 150);
}

#[tokio::test]
async fn what_nobody_resolved_is_told_when_it_goes() {
    let database = Database::new();
    let store = filled(&database, 1).await;
    let (log, _listening) = Log::listen();
    database.run(&format!("UPDATE idempotent_records SET lapses_at = lapses_at - {YEAR}")).await;
    assert_eq!(store.sweep().await.unwrap(), 2);
    assert_eq!(log.events("an indeterminate record was not resolved").len(), 1);
}

#[tokio::test]
async fn a_store_sweeps_by_itself_until_it_is_closed() {
    let database = Database::new();
    filled(&database, 2).await.close().await;
    let make_over = format!(
        "UPDATE idempotent_records
         SET expires_at = expires_at - {YEAR}, lapses_at = lapses_at - {YEAR}"
    );
    let builder = || database.builder().sweep_every(Duration::from_millis(20));
    let store = builder().connect().await.unwrap();
    database.run(&make_over).await;
    until_within(secs(20), || async { database.rows().await == 0 }).await;
    store.close().await;
    filled(&database, 2).await.close().await;
    database.run(&make_over).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(database.rows().await, 6, "it is closed");
    drop(builder().connect().await.unwrap());
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(database.rows().await, 6, "it was dropped at once");
}

/// A row that was over when it was found, and is taken anew before it is removed.
#[tokio::test]
async fn a_sweep_beside_calls_takes_nothing_from_them() {
    let database = Database::new();
    let store = filled(&database, 0).await;
    let attempt = Attempt::new();
    attempt.win(&store).await;
    let sweeper = tokio::spawn({
        let store = store.clone();
        async move {
            loop {
                store.sweep().await.unwrap();
            }
        }
    });
    for _ in 0..100 {
        database
            .run(&format!("UPDATE idempotent_records SET lapses_at = lapses_at - {YEAR}"))
            .await;
        let owner = attempt.win(&store).await;
        let entry = store.load(&attempt.id).await.unwrap().expect("it was won a moment ago");
        assert_eq!(entry.record.token(), owner.token());
    }
    sweeper.abort();
}
