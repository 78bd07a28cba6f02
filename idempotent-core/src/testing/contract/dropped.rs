//! Callers that go away: a call dropped half way has happened or has not, and nothing else.

use crate::record::Guarantee;
use crate::store::{Complete, Release, Renew, RenewOutcome, ReserveOutcome, Scan, Wait};

use super::scene::{Owner, Scene, drop_midway};

pub(super) async fn a_reserve_that_was_dropped_midway_can_be_repeated(at: Scene) {
    let request = at.request(Guarantee::AtLeastOnce);
    drop_midway(at.store.reserve(&request));
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    at.stands_reserved(&owner).await;
}

pub(super) async fn a_reserve_that_was_dropped_midway_lapses_at_the_latest(at: Scene) {
    let request = at.request(Guarantee::AtLeastOnce);
    drop_midway(at.store.reserve(&request));
    at.lapse().await;
    at.is_vacant().await;
}

pub(super) async fn a_complete_that_was_dropped_midway_can_be_repeated(at: Scene) {
    let owner = at.reserve_once_more().await;
    let record = owner.completed(b"result");
    let request = Complete::new(&at.id, &owner.reservation, &record, at.ttl());
    drop_midway(at.store.complete(&request));
    at.record(&owner, b"result").await;
    at.stands_completed(&owner, b"result").await;
}

pub(super) async fn a_release_that_was_dropped_midway_can_be_repeated(at: Scene) {
    let owner = at.reserve_once_more().await;
    let request = Release::new(&at.id, &owner.reservation);
    drop_midway(at.store.release(&request));
    at.release(&owner).await;
    let successor = at.is_vacant().await;
    at.stands_reserved(&successor).await;
}

pub(super) async fn looks_and_renewals_that_were_dropped_midway_do_no_harm(at: Scene) {
    let owner = at.reserve_once_more().await;
    drop_midway(at.store.load(&at.id));
    drop_midway(at.store.scan(&Scan::all()));
    let renewal = Renew::new(&at.id, &owner.reservation, at.lease());
    drop_midway(at.store.renew(&renewal));
    at.stands_reserved(&owner).await;
    assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Renewed);
    at.lapse().await;
    at.is_vacant().await;
}

/// A waiter that gave up must not take the wake-up of those who wait on.
pub(super) async fn a_waiter_that_went_away_does_not_keep_others_from_waking(at: Scene) {
    let owner = at.reserve_once_more().await;
    let request = Wait::new(&at.id, owner.token(), at.lease());
    drop_midway(at.store.wait(&request));
    let waiting = tokio::spawn({
        let (at, token) = (at.clone(), owner.token());
        async move { at.wait(token, at.lease() * 1000).await }
    });
    drop_midway(at.store.wait(&request));
    tokio::task::yield_now().await;
    at.stands_reserved(&owner).await;
    at.record(&owner, b"result").await;
    at.soon("a wait beside one that was dropped", waiting)
        .await
        .expect("the store waits without panicking");
}
