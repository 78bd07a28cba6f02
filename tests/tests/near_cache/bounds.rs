//! What the cache holds at most, and what it shows of it.

use std::sync::Arc;

use idempotent_core::backends::NearCache;
use idempotent_core::store::LocalStore as _;
use idempotent_core::testing::FaultyStore;
use idempotent_tests::settle;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use super::remote_store::{Near, RemoteStore, fresh_id, loads, near, replay, replayed};

const KIB: usize = 1024;
const MIB: usize = 1024 * KIB;

fn near_of(bytes: usize) -> Near {
    let store = FaultyStore::new(RemoteStore::default());
    NearCache::builder(store).capacity_bytes(bytes as u64).build()
}

#[tokio::test]
async fn the_cache_stays_within_its_bytes() {
    let near = near_of(1024 * KIB);
    let mut ids = Vec::new();
    for _ in 0..5000 {
        ids.push(replayed(&near, &[7; KIB]).await);
    }
    let kept: usize = ids
        .iter()
        .filter_map(|id| near.completed(id))
        .map(|entry| entry.record.as_bytes().len())
        .sum();
    // Some 64 inserts may be waiting for moka to look at them.
    assert!((256 * KIB..1124 * KIB).contains(&kept), "{kept} bytes are kept");
    assert!(near.completed(&ids[4999]).is_some(), "the newest is kept");
    assert!(near.completed(&ids[0]).is_none(), "the oldest is not");
}

#[tokio::test]
async fn a_cache_of_parts_stays_within_its_bytes() {
    let near = near_of(16 * MIB);
    let mut ids = Vec::new();
    for _ in 0..1000 {
        ids.push(replayed(&near, &[7; 64 * KIB]).await);
    }
    let kept = ids.iter().filter(|id| near.completed(id).is_some()).count();
    // Each of the four has room for 63, and some 64 inserts may be waiting for moka to look at them.
    assert!((4 * 48..=4 * 127).contains(&kept), "{kept} records are kept");
}

#[tokio::test]
async fn a_record_larger_than_a_part_of_the_cache_is_not_asked_for() {
    let near = near_of(8 * MIB);
    let id = replayed(&near, &[7; 5 * MIB]).await;
    assert!(near.completed(&id).is_none());
    assert_eq!(loads(&near), 0);
    let id = replayed(&near, &[7; 3 * MIB]).await;
    assert!(near.completed(&id).is_some());
}

#[tokio::test]
async fn a_record_larger_than_the_cache_is_not_asked_for() {
    let near = near_of(KIB);
    let id = replayed(&near, &[7; KIB]).await;
    assert!(near.completed(&id).is_none());
    assert_eq!(loads(&near), 0);
}

#[tokio::test]
async fn a_cache_without_room_is_a_store_like_any_other() {
    let near = near_of(0);
    let id = replayed(&near, b"").await;
    assert_eq!(replay(&near, &id).await.record.operation(), "charge");
    settle().await;
    assert!(near.completed(&id).is_none());
}

#[tokio::test]
async fn debug_shows_no_keys_and_no_results() {
    let near = near();
    let id = replayed(&near, b"secret").await;
    let shown = format!("{near:?} {:?}", NearCache::builder(RemoteStore::default()));
    let hash = id.to_string().split_off("charge:".len());
    assert!(!shown.contains("secret") && !shown.contains(&hash[..8]), "{shown}");
    assert!(shown.contains("capacity_bytes: 67108864"), "{shown}");
}

#[tokio::test]
async fn the_cache_does_not_keep_its_store_alive() {
    let remote = Arc::new(RemoteStore::default());
    let near = NearCache::new(remote.clone());
    drop(near);
    assert_eq!(Arc::strong_count(&remote), 1);
}

#[tokio::test]
async fn every_hit_is_counted() {
    let recorder = DebuggingRecorder::new();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let near = near();
    let id = replayed(&near, b"receipt").await;
    for _ in 0..3 {
        near.completed(&id).unwrap();
    }
    assert!(near.completed(&fresh_id()).is_none());
    let mut recorded = recorder.snapshotter().snapshot().into_vec().into_iter();
    let hits = recorded.find(|(key, ..)| key.key().name() == "idempotent_near_hits_total");
    assert_eq!(hits.map(|(.., value)| value), Some(DebugValue::Counter(3)));
}
