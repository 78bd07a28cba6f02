//! A build without steps refuses a record that has any: it reads the bytes that each store really keeps, and takes no such
//! record's id.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotent_core::model::RecordId;
use idempotent_core::store::State;
use idempotent_core::{Disposition, Error, Guarantee, Idempotency, Operation, Store, step};
use idempotent_servers::{Postgres, Redis, Server, require};
use sqlx::Connection as _;
use tempfile::TempDir;

use crate::patient;

/// Whether the last build without steps reads a reservation: no guarantee and no field that it does not know.
fn is_read_without_steps(record: &[u8]) -> bool {
    const NEWEST_GUARANTEE: u8 = 2;
    // A fingerprint, an attempt, the texts of key, scope, result type, trace and last error, and a MAC.
    const FIELDS: u16 = 0b10_1111_1011;
    let fields = u16::from_le_bytes([record[38], record[39]]);
    record[0] == 2 && record[2] <= NEWEST_GUARANTEE && fields & !FIELDS == 0
}

/// An error of a body's own.
#[derive(Debug)]
enum Failure {
    TimedOut,
    Refused,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Refused
    }
}

async fn hold() -> Result<u32, Failure> {
    step("hold", || async { Ok(1) }).await
}

async fn charge() -> Result<u32, Failure> {
    let step = Operation::new("charge").guarantee(Guarantee::AtMostOnce).step();
    let step = step.returning::<Result<u32, Failure>>().on_error(|_| Disposition::Unknown);
    step.run(|| async { Err(Failure::TimedOut) }).await
}

/// Leaves calls in every state that one with steps or an input has, and looks at what the store keeps of each.
async fn records_with_steps_are_refused(
    store: impl Store,
    kept: impl AsyncFn(&RecordId) -> Vec<u8>,
) {
    let engine = Idempotency::new(store);
    let id = |key: &str| engine.record_id("checkout", None, key).unwrap();
    let is_read = async |key: &str| is_read_without_steps(&kept(&id(key)).await);
    let state = async |key: &str| engine.inspect(&id(key)).await.unwrap().unwrap().state();
    let lease = Duration::from_secs(60);
    let call = |key, guarantee| {
        let call = Operation::new("checkout").guarantee(guarantee).lease(lease).key(key);
        call.engine(&engine).returning::<Result<u32, Failure>>()
    };

    let suspended = call("suspended", Guarantee::AtLeastOnce).run(|| async {
        assert!(is_read("suspended").await, "it has no step yet");
        hold().await?;
        assert!(!is_read("suspended").await, "it runs");
        Err(Failure::TimedOut)
    });
    suspended.await.unwrap_err();
    assert_eq!(state("suspended").await, State::Suspended);
    assert!(!is_read("suspended").await);

    call("in doubt", Guarantee::AtLeastOnce).run(charge).await.unwrap_err();
    assert_eq!(state("in doubt").await, State::Indeterminate);
    assert!(!is_read("in doubt").await);

    let strict = call("strict", Guarantee::AtMostOnce).run(|| async {
        assert!(is_read("strict").await, "it has no step yet");
        hold().await?;
        assert!(!is_read("strict").await, "it runs");
        charge().await
    });
    strict.await.unwrap_err();
    assert_eq!(state("strict").await, State::Indeterminate);
    assert!(!is_read("strict").await);

    let with_input = Operation::new("checkout").lease(lease).key("with an input").resume(&7);
    let with_input = with_input.engine(&engine).returning::<Result<u32, Failure>>();
    let with_input = with_input.run(|| async {
        assert!(!is_read("with an input").await, "it runs");
        hold().await?;
        assert!(!is_read("with an input").await, "it runs");
        Ok(1)
    });
    with_input.await.unwrap();
    // What is completed is as it was without steps.
    assert!(is_read("with an input").await);
}

#[tokio::test]
async fn a_build_without_steps_refuses_what_sqlite_keeps() {
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("calls.db");
    let store = patient::sqlite(&file).await;
    let url = format!("sqlite:{}", file.display());
    let kept = async |id: &RecordId| {
        let mut aside = sqlx::SqliteConnection::connect(&url).await.unwrap();
        let row: (Vec<u8>, Option<i64>, i64) = sqlx::query_as(
            "SELECT record, lapses_at, guarantee FROM idempotent_records WHERE id = ?1",
        )
        .bind(&id.hash()[..])
        .fetch_one(&mut aside)
        .await
        .unwrap();
        // Its statements take an id whose lease is over if the guarantee is 0.
        assert!(row.1.is_none() || row.2 != 0 || is_read_without_steps(&row.0));
        row.0
    };
    records_with_steps_are_refused(store, kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_without_steps_refuses_what_postgres_keeps() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let store = patient::postgres(server.url()).await;
    let url = server.url();
    let kept = async |id: &RecordId| {
        let mut aside = sqlx::PgConnection::connect(&url).await.unwrap();
        // Its statements ask this function when an id becomes vacant: here, once a minute has passed.
        let row: (Vec<u8>, bool) = sqlx::query_as(
            "SELECT record, idempotent.records_vacant_at(lapses_at, expires_at, retention, guarantee)
                > clock_timestamp() + interval '10 minutes'
             FROM idempotent.records WHERE id = $1",
        )
        .bind(&id.hash()[..])
        .fetch_one(&mut aside)
        .await
        .unwrap();
        assert!(row.1 || is_read_without_steps(&row.0));
        row.0
    };
    records_with_steps_are_refused(store, kept).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_without_steps_refuses_what_redis_keeps() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = patient::redis(server.url()).await;
    let client = redis::Client::open(server.url()).unwrap();
    let kept = async |id: &RecordId| {
        // Its own limit is half a second.
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(None);
        let mut aside = client.get_multiplexed_async_connection_with_config(&config).await.unwrap();
        let key = format!("idem:{}:{}", id.operation(), URL_SAFE_NO_PAD.encode(id.hash()));
        redis::cmd("GET").arg(key).query_async::<Vec<u8>>(&mut aside).await.unwrap()
    };
    records_with_steps_are_refused(store, kept).await;
}
