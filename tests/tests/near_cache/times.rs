//! A copy never outlives its record.

use idempotent_core::Store;
use idempotent_core::backends::{MemoryStore, NearCache};
use idempotent_core::store::LocalStore as _;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_tests::{millis, secs, settle};
use tokio::time::advance;

use super::remote_store::{complete, fresh_id, near, replay};

#[tokio::test(start_paused = true)]
async fn a_copy_ends_with_its_record() {
    let (near, id) = (near(), fresh_id());
    complete(near.inner(), &id, b"receipt", secs(60)).await;
    replay(&near, &id).await;
    settle().await;
    advance(millis(59_999)).await;
    assert_eq!(near.completed(&id).unwrap().remaining, Some(millis(1)));
    advance(millis(1)).await;
    assert!(near.completed(&id).is_none());
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_answer_was_slow_ends_with_its_record() {
    let (near, id) = (near(), fresh_id());
    near.inner().inject(StoreMethod::Load, When::Always, Fault::DelayAnswer(secs(4)));
    complete(near.inner(), &id, b"receipt", secs(60)).await;
    replay(&near, &id).await;
    settle().await;
    advance(secs(4)).await;
    settle().await;
    assert_eq!(near.completed(&id).unwrap().remaining, Some(secs(56)));
}

#[tokio::test(start_paused = true)]
async fn a_copy_of_a_slow_reserve_ends_with_its_record() {
    let near = NearCache::new(FaultyStore::new(MemoryStore::new()));
    let id = fresh_id();
    complete(near.inner(), &id, b"receipt", secs(60)).await;
    near.inner().inject(StoreMethod::Reserve, When::Always, Fault::DelayAnswer(secs(4)));
    replay(&near, &id).await;
    assert_eq!(near.completed(&id).unwrap().remaining, Some(secs(56)));
}

#[tokio::test(start_paused = true)]
async fn a_copy_whose_question_was_slow_may_end_before_its_record_and_not_after() {
    let (near, id) = (near(), fresh_id());
    near.inner().inject(StoreMethod::Load, When::Always, Fault::Delay(secs(4)));
    complete(near.inner(), &id, b"receipt", secs(60)).await;
    replay(&near, &id).await;
    settle().await;
    advance(secs(4)).await;
    settle().await;
    let record = near.load(&id).await.unwrap().unwrap();
    assert!(near.completed(&id).unwrap().remaining <= record.remaining);
}

#[tokio::test(start_paused = true)]
async fn a_record_completed_anew_after_its_end_is_kept_anew() {
    let (near, id) = (near(), fresh_id());
    for payload in [b"first", b"again"] {
        let record = complete(near.inner(), &id, payload, secs(60)).await;
        replay(&near, &id).await;
        settle().await;
        assert_eq!(near.completed(&id).unwrap().record, record);
        advance(secs(60)).await;
    }
    assert!(near.completed(&id).is_none());
}
