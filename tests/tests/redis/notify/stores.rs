//! A server and the stores that share it, and what the tests ask both.

use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::{RedisStore, RedisStoreBuilder};
use idempotent_core::model::{Envelope, Record, RecordId};
use idempotent_core::store::{Complete, CompleteOutcome, Release, Reserve, ReserveOutcome};
use idempotent_servers::{Redis, Reply};
use idempotent_tests::{HOUR, fresh_id, until, waiter};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::support::calls;

/// The channel of stores with the default prefix.
pub(crate) const CHANNEL: &str = "idem:wake";

/// A store that looks once when somebody waits and then not for an hour: only a message wakes.
pub(crate) fn never_looking(redis: &Redis) -> RedisStoreBuilder {
    let builder = RedisStore::builder(redis.url()).response_timeout(Duration::from_secs(5));
    builder.wait_pauses(HOUR, HOUR)
}

/// So many stores, all of which listen.
pub(crate) async fn fleet<const N: usize>(redis: &Redis) -> [RedisStore; N] {
    let mut stores = Vec::new();
    for _ in 0..N {
        let store = never_looking(redis).connect().await.expect("it connects");
        reserved(&store, &fresh_id()).await;
        stores.push(store);
    }
    until_listening(redis, N).await;
    stores.try_into().expect("so many")
}

/// Returns when so many stores listen, and have said so.
pub(crate) async fn until_listening(redis: &Redis, stores: usize) {
    until(|| async { listeners(redis).await == stores }).await;
    until(|| async { published(redis).await >= stores }).await;
}

/// How many stores listen.
pub(crate) async fn listeners(redis: &Redis) -> usize {
    match redis.cli(&["PUBSUB", "SHARDNUMSUB", CHANNEL]).await {
        Reply::Array(answer) => match answer.as_slice() {
            [_, Reply::Int(count)] => usize::try_from(*count).unwrap_or_default(),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

/// How often anything was published on the server.
pub(crate) async fn published(redis: &Redis) -> usize {
    calls(redis, "spublish").await + calls(redis, "publish").await
}

/// Wins an id for an hour.
pub(crate) async fn reserved(store: &impl Store, id: &RecordId) -> Record {
    reserved_for(store, id, HOUR).await
}

pub(crate) async fn reserved_for(store: &impl Store, id: &RecordId, lease: Duration) -> Record {
    let mut envelope = Envelope::new(id.operation());
    envelope.lease = lease;
    let request = Reserve::new(id, envelope);
    let outcome = store.reserve(&request).await.expect("the store answers");
    assert!(matches!(outcome, ReserveOutcome::Won), "{outcome:?}");
    request.record().clone()
}

pub(crate) async fn complete(store: &impl Store, id: &RecordId, reservation: &Record) {
    let record = reservation.completed(b"receipt");
    let request = Complete::new(id, reservation, &record, HOUR);
    let outcome = store.complete(&request).await.expect("the store answers");
    assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
}

pub(crate) async fn release(store: &impl Store, id: &RecordId, reservation: &Record) {
    store.release(&Release::new(id, reservation)).await.expect("the store answers");
}

/// A task that waits, once every store that listens has heard of it.
pub(crate) async fn known_waiter<S>(
    redis: &Redis,
    store: &S,
    id: &RecordId,
    reservation: &Record,
) -> JoinHandle<()>
where
    S: Store + Clone + 'static,
{
    let before = published(redis).await;
    let waiter = waiter(store, id, reservation);
    until(|| async { published(redis).await > before }).await;
    // The message is on its way to every store when the server has counted it.
    sleep(Duration::from_millis(50)).await;
    waiter
}

/// A call of one store that another waits for, as every store that listens has heard.
pub(crate) async fn waited_for<S>(
    redis: &Redis,
    owner: &S,
    other: &S,
) -> (RecordId, Record, JoinHandle<()>)
where
    S: Store + Clone + 'static,
{
    let id = fresh_id();
    let reservation = reserved(owner, &id).await;
    let waiter = known_waiter(redis, other, &id, &reservation).await;
    (id, reservation, waiter)
}
