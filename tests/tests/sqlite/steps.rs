//! How often a call of several steps waits for the disk. Statements are not counted: none of them leaves the process.

use std::sync::atomic::Ordering;

use idempotent_core::store::Scan;
use idempotent_core::{Error, Guarantee, Idempotency, Operation, step};
use idempotent_tests::Runs;

use crate::commits::counted;
use crate::database::Database;

async fn call<F, Fut>(engine: &Idempotency, key: &str, body: F) -> Result<usize, Error>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<usize, Error>>,
{
    let call = Operation::new("shop::checkout").key(key).engine(engine);
    call.returning::<Result<usize, Error>>().run(body).await
}

async fn note(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    step(name, || async { Ok(runs.note()) }).await
}

async fn once(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    step.returning::<Result<usize, Error>>().run(|| async { Ok(runs.note()) }).await
}

/// An error of a body's own.
async fn failure() -> Error {
    let call = Operation::new("failure").key(&None::<u32>).returning::<Result<(), Error>>();
    call.run(|| async { Ok(()) }).await.unwrap_err()
}

#[tokio::test]
async fn a_call_of_steps_commits_once_for_each_and_drops_its_journal_with_its_result() {
    let database = Database::new();
    let (store, commits) = counted(&database).await;
    let (engine, runs) = (Idempotency::new(store), Runs::new());
    commits.store(0, Ordering::Relaxed);
    let assert_commits = |expected: usize, what: &str| {
        assert_eq!(commits.swap(0, Ordering::Relaxed), expected, "{what}");
    };
    let four = || async {
        for name in ["a", "b", "c", "d"] {
            note(name, &runs).await?;
        }
        Ok(4)
    };
    let twice = || async {
        once("a", &runs).await?;
        once("b", &runs).await
    };
    let two = || async {
        note("a", &runs).await?;
        note("b", &runs).await?;
        Err(failure().await)
    };
    call(&engine, "plain", || async { Ok(1) }).await.unwrap();
    assert_commits(2, "no step");
    call(&engine, "four", four).await.unwrap();
    assert_commits(4 + 2, "four steps");
    call(&engine, "twice", twice).await.unwrap();
    assert_commits(2 * 2 + 2, "two steps at most once");
    call(&engine, "resumed", two).await.unwrap_err();
    assert_commits(1 + 2 + 1, "two steps, and a run that is suspended");
    call(&engine, "resumed", four).await.unwrap();
    // What it finds and loads it only reads.
    assert_commits(1 + 2 + 1, "a resumed run");
    let mut aside = database.aside().await;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM idempotent_records_steps")
        .fetch_one(&mut aside)
        .await
        .unwrap();
    assert_eq!(left, 0, "no journal is left");
}

#[tokio::test]
async fn a_step_with_a_status_of_a_later_version_is_in_doubt() {
    let database = Database::new();
    let (engine, runs) = (Idempotency::new(database.store().await), Runs::new());
    let ends = call(&engine, "7", || async {
        note("a", &runs).await?;
        Err(failure().await)
    });
    ends.await.unwrap_err();
    let in_doubt = async || engine.scan(&Scan::in_doubt()).await.unwrap().entries;
    for (status, expected) in [("01", 0), ("07", 1), ("06", 0), ("81", 1), ("80", 0)] {
        let change = format!(
            "UPDATE idempotent_records_steps
            SET entry = CAST(substr(entry, 1, 1) || x'{status}' || substr(entry, 3) AS BLOB)"
        );
        database.run(&change).await;
        assert_eq!(in_doubt().await.len(), expected, "{status}");
    }
}
