//! Cancellation: a call that is dropped midway either has happened or has not.

use crate::model::Guarantee;
use crate::store::{Complete, Release, Renew, RenewOutcome, ReserveOutcome, Scan, Wait};

use super::fixture::{Fixture, Owner, drop_midway};

pub(super) async fn a_reserve_that_was_dropped_midway_can_be_repeated(fixture: Fixture) {
    let request = fixture.request(Guarantee::AtLeastOnce);
    drop_midway(fixture.store.reserve(&request));
    assert!(matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    fixture.assert_reserved(&owner).await;
}

pub(super) async fn a_reserve_that_was_dropped_midway_lapses_at_the_latest(fixture: Fixture) {
    let request = fixture.request(Guarantee::AtLeastOnce);
    drop_midway(fixture.store.reserve(&request));
    fixture.let_lease_expire().await;
    fixture.assert_vacant().await;
}

pub(super) async fn a_complete_that_was_dropped_midway_can_be_repeated(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let record = owner.completed(b"result");
    let request = Complete::new(&fixture.id, &owner.reservation, &record, fixture.ttl());
    drop_midway(fixture.store.complete(&request));
    fixture.expect_recorded(&owner, b"result").await;
    fixture.assert_completed(&owner, b"result").await;
}

pub(super) async fn a_release_that_was_dropped_midway_can_be_repeated(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let request = Release::new(&fixture.id, &owner.reservation);
    drop_midway(fixture.store.release(&request));
    fixture.release(&owner).await;
    let successor = fixture.assert_vacant().await;
    fixture.assert_reserved(&successor).await;
}

pub(super) async fn looks_and_renewals_that_were_dropped_midway_do_no_harm(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    drop_midway(fixture.store.load(&fixture.id));
    drop_midway(fixture.store.scan(&Scan::all()));
    let renewal = Renew::new(&fixture.id, &owner.reservation, fixture.lease());
    drop_midway(fixture.store.renew(&renewal));
    fixture.assert_reserved(&owner).await;
    assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Renewed);
    fixture.let_lease_expire().await;
    fixture.assert_vacant().await;
}

/// A waiter that gave up must not consume the wake-up of the others.
pub(super) async fn a_waiter_that_went_away_does_not_keep_others_from_waking(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let request = Wait::new(&fixture.id, owner.token(), fixture.lease());
    drop_midway(fixture.store.wait(&request));
    let waiting = tokio::spawn({
        let (fixture, token) = (fixture.clone(), owner.token());
        async move { fixture.wait(token, fixture.lease() * 1000).await }
    });
    drop_midway(fixture.store.wait(&request));
    tokio::task::yield_now().await;
    fixture.assert_reserved(&owner).await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture
        .expect_soon("a wait beside one that was dropped", waiting)
        .await
        .expect("the store waits without panicking");
}
