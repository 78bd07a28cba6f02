//! Connections that are lost: after the server acted, before it did, and while nobody asked.

use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{
    CompleteOutcome, RenewOutcome, ReserveOutcome, State, Store, StoreErrorKind,
};
use idempotent_servers::{Postgres, Server, TcpProxy, require};
use idempotent_tests::{Attempt, SOON, until};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::setup::migrated;

/// A store whose every byte goes through a proxy, over one connection that knows every statement.
struct Behind {
    _server: Postgres,
    proxy: TcpProxy,
    pool: PgPool,
    store: PostgresStore,
}

impl Behind {
    async fn new() -> Self {
        let server = Postgres::start().await;
        let proxy = TcpProxy::start(server.address()).await;
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .test_before_acquire(false)
            .connect(&server.url_at(proxy.address()))
            .await
            .unwrap();
        let builder = PostgresStore::builder(pool.clone()).response_timeout(SOON);
        let store = migrated(builder.sweep_every(None)).await;
        let at = Self { _server: server, proxy, pool, store };
        at.warm_up().await;
        at
    }

    /// The first time a statement goes over a connection it takes several requests.
    async fn warm_up(&self) {
        let warmed_up = Attempt::new();
        let reservation = warmed_up.win(&self.store).await;
        warmed_up.renew(&self.store, &reservation).await.unwrap();
        warmed_up.record(&self.store, &reservation, b"result").await;
        warmed_up.record(&self.store, &reservation, b"result").await;
        warmed_up.release(&self.store, &reservation).await.unwrap();
        self.store.load(&warmed_up.id).await.unwrap();
        self.store.purge(&warmed_up.id).await.unwrap();
        self.settle().await;
    }

    /// The pool asks every connection that comes back whether it lives.
    async fn settle(&self) {
        until(|| async { self.pool.num_idle() == 1 }).await;
    }

    async fn lose_the_next_answer(&self) {
        self.settle().await;
        self.proxy.drop_next_reply();
    }

    fn was_lost(&self) {
        assert!(!self.proxy.is_armed(), "nothing was lost");
    }
}

#[tokio::test]
async fn a_reserve_whose_answer_was_lost_has_won() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    for attempt in [Attempt::new(), Attempt::at_most_once()] {
        at.lose_the_next_answer().await;
        attempt.win(&at.store).await;
        at.was_lost();
        let ReserveOutcome::Taken(entry) = attempt.reserve(&at.store).await.unwrap() else {
            panic!("a second caller won");
        };
        assert_eq!(entry.state, State::Reserved);
        at.warm_up().await;
    }
}

#[tokio::test]
async fn a_reserve_whose_request_was_lost_is_sent_again() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    at.proxy.drop_next_request();
    Attempt::new().win(&at.store).await;
    at.was_lost();
}

#[tokio::test]
async fn a_look_whose_answer_was_lost_is_sent_again() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    let attempt = Attempt::new();
    attempt.win(&at.store).await;
    at.lose_the_next_answer().await;
    let entry = at.store.load(&attempt.id).await.unwrap().unwrap();
    at.was_lost();
    assert_eq!(entry.state, State::Reserved);
}

#[tokio::test]
async fn a_renewal_whose_answer_was_lost_has_renewed() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&at.store).await;
    at.lose_the_next_answer().await;
    assert_eq!(attempt.renew(&at.store, &reservation).await.unwrap(), RenewOutcome::Renewed);
    at.was_lost();
}

#[tokio::test]
async fn a_result_whose_answer_was_lost_is_recorded_once() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&at.store).await;
    at.lose_the_next_answer().await;
    attempt.record(&at.store, &reservation, b"result").await;
    at.was_lost();
    let entry = at.store.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record, reservation.completed(b"result"));
}

#[tokio::test]
async fn a_result_for_a_vacant_id_whose_answer_was_lost_is_recorded_once() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&at.store).await;
    at.store.purge(&attempt.id).await.unwrap();
    at.lose_the_next_answer().await;
    attempt.record(&at.store, &reservation, b"result").await;
    at.was_lost();
    let late = attempt.complete(&at.store, &reservation, b"late").await.unwrap();
    assert!(matches!(late, CompleteOutcome::Recorded), "{late:?}");
    let entry = at.store.load(&attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record, reservation.completed(b"result"));
}

#[tokio::test]
async fn a_release_whose_answer_was_lost_has_released() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    let attempt = Attempt::new();
    let reservation = attempt.win(&at.store).await;
    at.lose_the_next_answer().await;
    attempt.release(&at.store, &reservation).await.unwrap();
    at.was_lost();
    assert!(at.store.load(&attempt.id).await.unwrap().is_none());
}

/// A second answer would say that there was nothing to purge.
#[tokio::test]
async fn a_purge_whose_answer_was_lost_is_an_error() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    let attempt = Attempt::new();
    attempt.win(&at.store).await;
    at.lose_the_next_answer().await;
    let error = at.store.purge(&attempt.id).await.unwrap_err();
    at.was_lost();
    assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error:?}");
    assert!(!at.store.purge(&attempt.id).await.unwrap(), "it was purged");
}

#[tokio::test]
async fn a_connection_that_was_cut_while_idle_is_not_noticed_by_callers() {
    require!(Server::Postgres);
    let at = Behind::new().await;
    for _ in 0..3 {
        at.settle().await;
        at.proxy.cut();
        Attempt::new().win(&at.store).await;
    }
}
