//! A purge through one process drops the copies that others keep.

use idempotent_core::backends::{NearCache, PostgresStore};
use idempotent_core::model::{Envelope, RecordId};
use idempotent_core::store::LocalStore as _;
use idempotent_core::store::{Correct, CorrectOutcome, Reserve, Store};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, secs, until};

use crate::setup::{listeners, migrated, never_looking};

/// A cache that listens.
async fn near(server: &Postgres) -> NearCache<PostgresStore> {
    let near = NearCache::new(migrated(never_looking(server)).await);
    until(|| async { listeners(server).await == 1 }).await;
    // A cache doubts its copies when its store begins to hear, which is later than the server says that it listens.
    until(|| async { near.check().await.is_ok_and(|it| it.degraded.is_empty()) }).await;
    near
}

/// A completed record that the cache keeps.
async fn kept(near: &NearCache<PostgresStore>) -> RecordId {
    let attempt = Attempt::new();
    let reservation = attempt.win(near).await;
    attempt.record(near, &reservation, b"result").await;
    until(|| async {
        near.reserve(&Reserve::new(&attempt.id, Envelope::new("shop::charge"))).await.unwrap();
        near.completed(&attempt.id).is_some()
    })
    .await;
    attempt.id
}

#[tokio::test]
async fn a_purge_through_another_process_drops_the_copy() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let near = near(&server).await;
    let operator = never_looking(&server).connect().await.unwrap();
    assert!(near.hears_purges());
    let (id, other) = (kept(&near).await, kept(&near).await);
    assert!(operator.purge(&id).await.unwrap());
    until(|| async { near.completed(&id).is_none() }).await;
    assert!(near.completed(&other).is_some(), "the other copy stays");
}

#[tokio::test]
async fn a_correction_through_another_process_drops_the_copy() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let near = near(&server).await;
    let operator = never_looking(&server).connect().await.unwrap();
    let id = kept(&near).await;
    let seen = near.completed(&id).unwrap().record;
    let right = seen.completed(b"right");
    let correct = Correct::new(&id, &seen, &right, secs(3600));
    assert_eq!(operator.correct(&correct).await.unwrap(), CorrectOutcome::Corrected);
    until(|| async { near.completed(&id).is_none_or(|copy| copy.record == right) }).await;
    let late = Correct::new(&id, &seen, &seen, secs(3600));
    assert_eq!(operator.correct(&late).await.unwrap(), CorrectOutcome::Changed);
    assert_eq!(near.load(&id).await.unwrap().unwrap().record, right);
}

#[tokio::test]
async fn copies_go_when_purges_may_have_gone_unheard() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let near = near(&server).await;
    let id = kept(&near).await;
    server.kill();
    until(|| async { near.completed(&id).is_none() }).await;
}

#[tokio::test]
async fn without_notifications_purges_go_unheard_and_the_cache_knows() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(never_looking(&server).notify(false)).await;
    assert!(!NearCache::new(store).hears_purges());
}
