//! What is purged goes, wherever it was purged, also while it is being read.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::backends::NearCache;
use idempotent_core::model::RecordId;
use idempotent_core::store::LocalStore as _;
use idempotent_core::testing::{Fault, FaultyStore, ObservedStore, StoreMethod, When};
use idempotent_tests::{HOUR, secs, settle};
use tokio::time::{advance, timeout};

use super::remote_store::{
    Near, RemoteStore, complete, fresh_id, loads, near, near_to, replay, replayed,
};

#[tokio::test]
async fn a_purge_through_the_cache_drops_the_copy() {
    let near = near_to(&RemoteStore::mute());
    let id = replayed(&near, b"receipt").await;
    assert!(near.purge(&id).await.unwrap());
    assert!(near.completed(&id).is_none());
}

#[tokio::test]
async fn a_purge_through_another_cache_drops_the_copy() {
    let remote = RemoteStore::default();
    let (near, other) = (near_to(&remote), near_to(&remote));
    let id = replayed(&near, b"receipt").await;
    assert!(near.hears_purges());
    assert!(other.purge(&id).await.unwrap());
    assert!(near.completed(&id).is_none());
}

#[tokio::test]
async fn a_purge_of_one_record_leaves_the_others() {
    let near = near();
    let (id, other) = (replayed(&near, b"receipt").await, replayed(&near, b"receipt").await);
    near.purge(&id).await.unwrap();
    assert!(near.completed(&other).is_some());
}

#[tokio::test]
async fn a_store_that_cannot_tell_of_purges_is_known_to_be_one() {
    let remote = RemoteStore::mute();
    let (near, other) = (near_to(&remote), near_to(&remote));
    let id = replayed(&near, b"receipt").await;
    assert!(!near.hears_purges());
    other.purge(&id).await.unwrap();
    assert!(near.completed(&id).is_some(), "nobody has told it");
}

#[tokio::test]
async fn wrappers_pass_purges_on() {
    let remote = RemoteStore::default();
    let wrapped = ObservedStore::new(FaultyStore::new(Arc::new(remote.clone())));
    let near = NearCache::new(NearCache::new(wrapped));
    let id = fresh_id();
    complete(&remote, &id, b"receipt", HOUR).await;
    replay(&near, &id).await;
    settle().await;
    assert!(near.completed(&id).is_some());
    remote.purge(&id).await.unwrap();
    assert!(near.completed(&id).is_none());
}

#[tokio::test]
async fn purges_that_may_have_gone_unheard_drop_every_copy() {
    let near = near();
    let ids = [replayed(&near, b"receipt").await, replayed(&near, b"receipt").await];
    near.inner().inner().reconnects();
    assert!(ids.iter().all(|id| near.completed(id).is_none()));
    replay(&near, &ids[0]).await;
    settle().await;
    assert!(near.completed(&ids[0]).is_some(), "it is kept again");
}

/// Replays a record whose fill has its answer already and holds it for a second.
async fn with_fill_under_way(near: &Near) -> RecordId {
    let id = fresh_id();
    complete(near.inner(), &id, b"receipt", HOUR).await;
    near.inner().inject(StoreMethod::Load, When::Always, Fault::DelayAnswer(secs(1)));
    replay(near, &id).await;
    settle().await;
    assert_eq!(loads(near), 1);
    id
}

async fn let_the_fill_end() {
    advance(secs(1)).await;
    settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_purged_while_it_is_read_is_not_kept() {
    let near = near_to(&RemoteStore::mute());
    let id = with_fill_under_way(&near).await;
    near.purge(&id).await.unwrap();
    let_the_fill_end().await;
    assert!(near.completed(&id).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_purged_elsewhere_while_it_is_read_is_not_kept() {
    let near = near();
    let id = with_fill_under_way(&near).await;
    near.inner().inner().purge(&id).await.unwrap();
    let_the_fill_end().await;
    assert!(near.completed(&id).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_read_while_purges_go_unheard_is_not_kept() {
    let near = near();
    let id = with_fill_under_way(&near).await;
    near.inner().inner().reconnects();
    let_the_fill_end().await;
    assert!(near.completed(&id).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_told_at_once_and_is_purged_meanwhile_is_not_kept() {
    let memory = FaultyStore::new(RemoteStore::default().memory);
    let (near, id) = (NearCache::new(memory), fresh_id());
    complete(near.inner(), &id, b"receipt", HOUR).await;
    near.inner().inject(StoreMethod::Reserve, When::Always, Fault::DelayAnswer(secs(1)));
    let replaying = tokio::spawn({
        let (near, id) = (near.clone(), id.clone());
        async move { replay(&near, &id).await }
    });
    settle().await;
    near.purge(&id).await.unwrap();
    replaying.await.unwrap();
    assert!(near.completed(&id).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_read_while_its_purge_is_on_its_way_is_not_kept() {
    let near = near_to(&RemoteStore::mute());
    let id = replayed(&near, b"receipt").await;
    near.inner().inject(StoreMethod::Purge, When::Always, Fault::Delay(secs(1)));
    let purging = tokio::spawn({
        let (near, id) = (near.clone(), id.clone());
        async move { near.purge(&id).await.unwrap() }
    });
    settle().await;
    assert!(near.completed(&id).is_none(), "it goes before the store is asked");
    replay(&near, &id).await;
    settle().await;
    assert_eq!(loads(&near), 2, "it was read once more");
    assert!(purging.await.unwrap());
    assert!(near.completed(&id).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_read_before_its_purge_and_answered_after_it_is_not_kept() {
    let near = near_to(&RemoteStore::mute());
    let id = replayed(&near, b"receipt").await;
    near.inner().inject(StoreMethod::Purge, When::Always, Fault::Delay(secs(1)));
    near.inner().inject(StoreMethod::Load, When::Always, Fault::DelayAnswer(secs(2)));
    let purging = tokio::spawn({
        let (near, id) = (near.clone(), id.clone());
        async move { near.purge(&id).await.unwrap() }
    });
    settle().await;
    replay(&near, &id).await;
    settle().await;
    assert!(purging.await.unwrap());
    advance(secs(2)).await;
    settle().await;
    assert_eq!(loads(&near), 2, "it was read once more");
    assert!(near.completed(&id).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_record_that_was_read_before_its_purge_failed_is_kept_again_afterwards() {
    let near = near();
    let id = replayed(&near, b"receipt").await;
    near.inner().inject(StoreMethod::Purge, When::Always, Fault::Fail);
    near.purge(&id).await.unwrap_err();
    assert!(near.completed(&id).is_none());
    replay(&near, &id).await;
    settle().await;
    assert!(near.completed(&id).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_purge_that_was_dropped_midway_does_not_keep_its_id_from_being_kept() {
    let near = near();
    let id = replayed(&near, b"receipt").await;
    near.inner().inject(StoreMethod::Purge, When::Always, Fault::Hang);
    timeout(secs(1), near.purge(&id)).await.unwrap_err();
    assert!(near.completed(&id).is_none());
    replay(&near, &id).await;
    settle().await;
    assert!(near.completed(&id).is_some());
}

#[tokio::test(start_paused = true)]
async fn a_purge_hinders_few_other_fills() {
    let near = near();
    near.inner().inject(
        StoreMethod::Load,
        When::Always,
        Fault::DelayAnswer(Duration::from_secs(1)),
    );
    let mut ids = Vec::new();
    for _ in 0..60 {
        ids.push(replayed(&near, b"receipt").await);
    }
    near.purge(&ids[0]).await.unwrap();
    let_the_fill_end().await;
    let kept = ids.iter().filter(|id| near.completed(id).is_some()).count();
    assert!((50..60).contains(&kept), "{kept} of 60 were kept");
}
