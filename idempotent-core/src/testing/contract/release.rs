//! Releasing and purging: what frees an id, and what must not.

use crate::model::Guarantee;
use crate::store::RenewOutcome;

use super::fixture::{Fixture, Owner};

const ROUNDS: usize = 25;

pub(super) async fn a_release_frees_the_id_at_once(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(guarantee).await;
        fixture.release(&owner).await;
        assert!(fixture.load().await.is_none(), "nothing had happened");
        fixture.assert_vacant().await;
    }
}

pub(super) async fn a_repeated_release_does_not_touch_a_successor(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.release(&owner).await;
    fixture.release(&owner).await;
    let successor = fixture.assert_vacant().await;
    fixture.release(&owner).await;
    fixture.assert_reserved(&successor).await;
}

pub(super) async fn a_release_of_another_token_does_nothing(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.release(&Owner::unknown()).await;
    fixture.release_including_indeterminate(&Owner::unknown()).await;
    fixture.assert_reserved(&owner).await;
}

pub(super) async fn a_release_of_a_vacant_id_does_nothing(fixture: Fixture) {
    fixture.release(&Owner::unknown()).await;
    fixture.release_including_indeterminate(&Owner::unknown()).await;
    assert!(fixture.load().await.is_none(), "the id is vacant");
    fixture.assert_vacant().await;
}

/// The last renewal arrives at the same time as the release.
pub(super) async fn a_renewal_at_the_moment_of_a_release_revives_nothing(fixture: Fixture) {
    for round in 0..ROUNDS {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve_at_least_once().await;
        fixture
            .race(2, |fixture, racer| {
                let owner = owner.clone();
                async move {
                    if racer == round % 2 {
                        fixture.release(&owner).await;
                    } else {
                        fixture.renew(&owner, fixture.lease()).await;
                    }
                }
            })
            .await;
        fixture.assert_vacant().await;
    }
}

pub(super) async fn a_purge_of_a_vacant_id_finds_nothing(fixture: Fixture) {
    assert!(!fixture.purge().await, "there was nothing");
    fixture.assert_vacant().await;
}

pub(super) async fn a_purge_removes_a_reservation_and_fences_its_owner(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    assert!(fixture.purge().await, "there was a reservation");
    assert!(fixture.load().await.is_none(), "it is purged");
    assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Lost);
    let successor = fixture.assert_vacant().await;
    fixture.release(&owner).await;
    fixture.assert_reserved(&successor).await;
}

pub(super) async fn a_purge_removes_a_completed_record(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.expect_recorded(&owner, b"result").await;
    assert!(fixture.purge().await, "there was a completed record");
    assert!(!fixture.purge().await, "it is purged");
    assert!(fixture.load().await.is_none(), "it is purged");
    fixture.assert_vacant().await;
}

pub(super) async fn a_purge_removes_an_indeterminate_record(fixture: Fixture) {
    fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    assert!(fixture.purge().await, "there was an indeterminate record");
    assert!(fixture.load().await.is_none(), "it is purged");
    fixture.assert_vacant().await;
}

pub(super) async fn a_purge_removes_a_lapsed_reservation(fixture: Fixture) {
    fixture.reserve_at_least_once().await;
    fixture.let_lease_expire().await;
    fixture.purge().await;
    assert!(fixture.load().await.is_none(), "it is purged");
    fixture.assert_vacant().await;
}
