//! A store that could not be asked, for want of a connection: what the circuit makes of that.

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use idempotent_core::backends::PostgresStore;
use idempotent_core::model::RecordId;
use idempotent_core::store::{
    Complete, CompleteOutcome, Degradation, Entry, Page, Release, Renew, RenewOutcome, Reserve,
    ReserveOutcome, Scan, Store, StoreError, StoreErrorKind,
};
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, Runs, call, secs};
use sqlx::postgres::PgPoolOptions;
use tokio::time::advance;

const CHARGE: Operation = Operation::new("charge").lease(secs(30));
const PAUSE: Duration = Duration::from_millis(100);

async fn refused(engine: &Idempotency) -> StoreErrorKind {
    let error = call(engine, CHARGE, "k", &Runs::new()).await.unwrap_err();
    error.source().unwrap().downcast_ref::<StoreError>().unwrap().kind()
}

/// A store that cannot be asked, since this process has no connection left.
fn busy() -> StoreError {
    StoreError::new(StoreErrorKind::Timeout, "every connection was in use").without_answer()
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_is_in_use_neither_opens_it_nor_counts_as_an_answer() {
    let store = Scripted::default();
    let engine =
        Idempotency::builder(store.clone()).circuit_threshold(3).circuit_pauses(PAUSE, PAUSE);
    let engine = engine.build();
    store.fail_with(busy);
    for _ in 0..20 {
        assert_eq!(refused(&engine).await, StoreErrorKind::Timeout, "it does not open");
    }
    let down = || StoreError::new(StoreErrorKind::Unavailable, "nobody answers");
    // Two outages, and a full pool in between: the third outage opens it.
    for fail in [down, busy, down, busy, down] {
        store.fail_with(fail);
        assert_ne!(refused(&engine).await, StoreErrorKind::CircuitOpen);
    }
    assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
    // A probe that finds the pool full does not close it, and does not put the next one off.
    advance(PAUSE).await;
    store.fail_with(busy);
    assert_eq!(refused(&engine).await, StoreErrorKind::Timeout);
    assert!(engine.check().await.degraded.contains(&Degradation::CircuitOpen));
    store.fail_with(down);
    assert_eq!(refused(&engine).await, StoreErrorKind::Unavailable, "another probe");
    assert_eq!(refused(&engine).await, StoreErrorKind::CircuitOpen);
}

/// A store whose reservations all fail in the same way.
#[derive(Clone, Default)]
struct Scripted(Arc<Mutex<Option<MakeError>>>);

type MakeError = fn() -> StoreError;

impl Scripted {
    fn fail_with(&self, error: fn() -> StoreError) {
        *self.0.lock().unwrap() = Some(error);
    }
}

#[async_trait::async_trait]
impl Store for Scripted {
    async fn reserve(&self, _: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let error = *self.0.lock().unwrap();
        Err(error.unwrap()())
    }

    async fn renew(&self, _: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        unreachable!("nothing is reserved")
    }

    async fn complete(&self, _: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        unreachable!("nothing is reserved")
    }

    async fn release(&self, _: &Release<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn load(&self, _: &RecordId) -> Result<Option<Entry>, StoreError> {
        Ok(None)
    }

    async fn purge(&self, _: &RecordId) -> Result<bool, StoreError> {
        Ok(false)
    }

    async fn scan(&self, _: &Scan) -> Result<Page, StoreError> {
        Ok(Page::new(Vec::new(), None))
    }
}

/// What a step says that gets no connection.
fn is_without_a_connection<T: std::fmt::Debug>(answer: Result<T, StoreError>) {
    let error = answer.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error}");
    assert!(error.to_string().contains("in use"), "{error}");
    assert!(!error.is_outage() && !error.is_answer(), "{error}");
}

#[tokio::test]
async fn a_pool_of_postgres_that_is_in_use_tells_nothing_of_the_server() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    for groups in [false, true] {
        let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
        // To be told from a server that is gone it has half a second, or an answer of the last two.
        let store = PostgresStore::builder(pool.clone()).response_timeout(secs(2));
        let store = if groups { store.group_commits(true) } else { store };
        let store = store.connect().await.unwrap();
        store.load(&Attempt::new().id).await.unwrap();
        let _taken = pool.acquire().await.unwrap();
        is_without_a_connection(Attempt::new().reserve(&store).await);
    }
}
