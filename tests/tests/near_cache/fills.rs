//! What fills the cache, and what that costs the store.

use idempotent_core::Store;
use idempotent_core::backends::{MemoryStore, NearCache};
use idempotent_core::model::Envelope;
use idempotent_core::store::LocalStore as _;
use idempotent_core::store::{Reserve, State};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_tests::{HOUR, millis, secs, settle};
use tokio::task::JoinSet;
use tokio::time::advance;

use super::remote_store::{
    Near, RemoteStore, complete, fresh_id, loads, near, near_to, replay, replayed,
};

#[tokio::test]
async fn the_first_replay_fills_the_cache() {
    let (near, id) = (near(), fresh_id());
    let record = complete(near.inner(), &id, b"receipt", HOUR).await;
    assert!(near.completed(&id).is_none());
    assert_eq!(replay(&near, &id).await.record, record);
    settle().await;
    let entry = near.completed(&id).unwrap();
    assert_eq!((entry.record, entry.state), (record, State::Completed));
    assert_eq!(loads(&near), 1);
}

#[tokio::test]
async fn clones_share_what_is_kept() {
    let near = near();
    let id = replayed(&near, b"receipt").await;
    assert!(near.clone().completed(&id).is_some());
}

#[tokio::test]
async fn a_replay_does_not_wait_for_the_fill() {
    let near = near();
    near.inner().inject(StoreMethod::Load, When::Always, Fault::Hang);
    let id = fresh_id();
    complete(near.inner(), &id, b"receipt", HOUR).await;
    assert_eq!(replay(&near, &id).await.state, State::Completed);
}

#[tokio::test]
async fn a_conflict_asks_nothing_more() {
    let (near, id) = (near(), fresh_id());
    let running = Reserve::new(&id, Envelope::new("charge"));
    near.reserve(&running).await.unwrap();
    assert_eq!(replay(&near, &id).await.state, State::Reserved);
    settle().await;
    assert_eq!((loads(&near), near.inner().calls(StoreMethod::Reserve)), (0, 2));
    assert!(near.completed(&id).is_none());
}

#[tokio::test]
async fn a_completion_by_itself_is_not_kept() {
    let (near, id) = (near(), fresh_id());
    complete(&near, &id, b"receipt", HOUR).await;
    settle().await;
    assert!(near.completed(&id).is_none());
    assert_eq!(loads(&near), 0);
}

#[tokio::test]
async fn a_store_that_tells_the_end_at_once_is_not_asked_for_it() {
    let near = NearCache::new(FaultyStore::new(MemoryStore::new()));
    let id = fresh_id();
    complete(near.inner(), &id, b"receipt", HOUR).await;
    replay(&near, &id).await;
    assert!(near.completed(&id).is_some());
    settle().await;
    assert_eq!(near.inner().calls(StoreMethod::Load), 0);
}

#[tokio::test]
async fn many_replays_of_one_record_ask_for_it_once() {
    let (near, id) = (near(), fresh_id());
    near.inner().inject(StoreMethod::Load, When::Always, Fault::Delay(millis(20)));
    complete(near.inner(), &id, b"receipt", HOUR).await;
    let mut replays = JoinSet::new();
    for _ in 0..100 {
        let (near, id) = (near.clone(), id.clone());
        replays.spawn(async move { replay(&near, &id).await });
    }
    replays.join_all().await;
    assert_eq!(loads(&near), 1);
}

/// Replays so many records, each of which is asked for.
async fn replay_many(near: &Near, count: usize) {
    for _ in 0..count {
        replayed(near, b"receipt").await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_hangs_is_asked_for_64_records_and_for_more_after_5_seconds() {
    let near = near();
    near.inner().inject(StoreMethod::Load, When::Always, Fault::Hang);
    replay_many(&near, 200).await;
    assert_eq!(loads(&near), 64);
    near.inner().heal();
    advance(secs(6)).await;
    settle().await;
    let id = replayed(&near, b"receipt").await;
    assert!(near.completed(&id).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_tell_the_end_is_not_asked_at_every_replay() {
    let near = near_to(&RemoteStore::without_ends());
    let id = replayed(&near, b"receipt").await;
    for _ in 0..10 {
        replay(&near, &id).await;
        settle().await;
    }
    assert!(near.completed(&id).is_none());
    assert_eq!(loads(&near), 1);
    advance(secs(61)).await;
    replay(&near, &id).await;
    settle().await;
    assert_eq!(loads(&near), 2);
}

#[tokio::test]
async fn a_fill_that_fails_is_tried_again_by_the_next_replay() {
    let near = near();
    near.inner().inject(StoreMethod::Load, When::Nth(1), Fault::Fail);
    let id = replayed(&near, b"receipt").await;
    assert!(near.completed(&id).is_none());
    replay(&near, &id).await;
    settle().await;
    assert!(near.completed(&id).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_another_call_has_replaced_meanwhile_is_not_kept() {
    let (near, id) = (near(), fresh_id());
    near.inner().inject(StoreMethod::Load, When::Nth(1), Fault::Delay(secs(1)));
    complete(near.inner(), &id, b"receipt", millis(500)).await;
    replay(&near, &id).await;
    settle().await;
    advance(millis(600)).await;
    let running = Reserve::new(&id, Envelope::new("charge"));
    near.reserve(&running).await.unwrap();
    advance(millis(600)).await;
    settle().await;
    assert_eq!(loads(&near), 1);
    assert!(near.completed(&id).is_none());
}

#[tokio::test]
async fn a_load_is_answered_by_the_store() {
    let near = near();
    let id = replayed(&near, b"receipt").await;
    near.load(&id).await.unwrap();
    assert_eq!(loads(&near), 2);
}

#[test]
fn outside_of_a_runtime_a_replay_fills_nothing_and_works() {
    let (near, id) = (near(), fresh_id());
    futures::executor::block_on(async {
        complete(near.inner(), &id, b"receipt", HOUR).await;
        assert_eq!(replay(&near, &id).await.state, State::Completed);
    });
    assert_eq!(loads(&near), 0);
}
