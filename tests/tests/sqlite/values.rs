//! Keys, names and results of every kind.

use idempotent_core::model::Outcome;
use idempotent_core::store::{CompleteOutcome, ReserveOutcome, Store};
use idempotent_core::{Idempotency, Operation};
use idempotent_tests::{Attempt, Runs, call};

use super::database::Database;

#[tokio::test]
async fn any_key_is_only_a_key() {
    let (database, runs) = (Database::new(), Runs::new());
    let engine = Idempotency::new(database.store().await);
    let keys = [
        "'; DROP TABLE idempotent_records; --",
        "\" OR 1 = 1",
        "a\0b",
        "a\0c",
        "?1",
        "{now}",
        "%_*",
        "x'00'",
        "ключ",
        "🔑",
        "\u{202e}desrever",
        "NULL",
        "\r\n",
    ];
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(call(&engine, Operation::new("charge"), key, &runs).await.unwrap(), at + 1);
    }
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(call(&engine, Operation::new("charge"), key, &runs).await.unwrap(), at + 1);
    }
    assert_eq!(runs.count(), keys.len());
}

#[tokio::test]
async fn a_result_of_one_mebibyte_with_nul_survives_another_store_and_another_process() {
    let database = Database::new();
    let store = database.store().await;
    let mut payload: Vec<u8> = (0..1 << 20).map(|at: u32| (at % 251) as u8).collect();
    (payload[0], payload[9]) = (0, 0);
    let attempt = Attempt::at_most_once();
    let owner = attempt.win(&store).await;
    attempt.record(&store, &owner, &payload).await;
    store.close().await;
    let ReserveOutcome::Taken(entry) = attempt.reserve(&database.store().await).await.unwrap()
    else {
        panic!("the record is gone");
    };
    assert!(entry.record.outcome() == Outcome::Kept(&payload));
    assert_eq!(entry.record.token(), owner.token());
}

#[tokio::test]
async fn an_empty_result_is_a_result() {
    let database = Database::new();
    let store = database.store().await;
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    attempt.record(&store, &owner, b"").await;
    let entry = store.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record.outcome(), Outcome::Kept(b""));
}

#[tokio::test]
async fn stores_of_different_tables_share_a_file_and_nothing_else() {
    let database = Database::new();
    let mut stores = Vec::new();
    for table in ["idempotent_records", "select", "Mandant-1", "записи", "2"] {
        let store = database.builder().table(table).connect().await.unwrap();
        stores.push(store);
    }
    let attempt = Attempt::new();
    for store in &stores {
        let owner = attempt.win(store).await;
        attempt.record(store, &owner, b"receipt").await;
    }
    assert!(stores[1].purge(&attempt.id).await.unwrap());
    assert!(stores[2].load(&attempt.id).await.unwrap().is_some());
    assert!(database.builder().table("a\"; --").connect().await.is_err());
}

#[tokio::test]
async fn a_row_is_a_hash_and_not_the_key() {
    let database = Database::new();
    let store = database.store().await;
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    let outcome = attempt.complete(&store, &owner, b"receipt").await.unwrap();
    assert!(matches!(outcome, CompleteOutcome::Recorded));
    assert_eq!(database.number("SELECT length(id) FROM idempotent_records").await, 32);
    assert_eq!(database.text("SELECT operation FROM idempotent_records").await, "shop::charge");
}
