//! Releasing and purging: what frees an id, and what must not.

use crate::record::Guarantee;
use crate::store::RenewOutcome;

use super::scene::{Owner, Scene};

const ROUNDS: usize = 25;

pub(super) async fn a_release_frees_the_id_at_once(at: Scene) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let at = at.another();
        let owner = at.reserve(guarantee).await;
        at.release(&owner).await;
        assert!(at.load().await.is_none(), "nothing had happened");
        at.is_vacant().await;
    }
}

pub(super) async fn a_repeated_release_does_not_touch_a_successor(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.release(&owner).await;
    at.release(&owner).await;
    let successor = at.is_vacant().await;
    at.release(&owner).await;
    at.stands_reserved(&successor).await;
}

pub(super) async fn a_release_of_another_token_does_nothing(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.release(&Owner::unknown()).await;
    at.release_even_indeterminate(&Owner::unknown()).await;
    at.stands_reserved(&owner).await;
}

pub(super) async fn a_release_of_a_vacant_id_does_nothing(at: Scene) {
    at.release(&Owner::unknown()).await;
    at.release_even_indeterminate(&Owner::unknown()).await;
    assert!(at.load().await.is_none(), "the id is vacant");
    at.is_vacant().await;
}

/// The heartbeat's last renewal meets the release.
pub(super) async fn a_renewal_at_the_moment_of_a_release_revives_nothing(at: Scene) {
    for round in 0..ROUNDS {
        let at = at.another();
        let owner = at.reserve_once_more().await;
        at.race(2, |at, racer| {
            let owner = owner.clone();
            async move {
                if racer == round % 2 {
                    at.release(&owner).await;
                } else {
                    at.renew(&owner, at.lease()).await;
                }
            }
        })
        .await;
        at.is_vacant().await;
    }
}

pub(super) async fn a_purge_of_a_vacant_id_finds_nothing(at: Scene) {
    assert!(!at.purge().await, "there was nothing");
    at.is_vacant().await;
}

pub(super) async fn a_purge_removes_a_reservation_and_fences_its_owner(at: Scene) {
    let owner = at.reserve_once_more().await;
    assert!(at.purge().await, "there was a reservation");
    assert!(at.load().await.is_none(), "it is purged");
    assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Lost);
    let successor = at.is_vacant().await;
    at.release(&owner).await;
    at.stands_reserved(&successor).await;
}

pub(super) async fn a_purge_removes_a_completed_record(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.record(&owner, b"result").await;
    assert!(at.purge().await, "there was a completed record");
    assert!(!at.purge().await, "it is purged");
    assert!(at.load().await.is_none(), "it is purged");
    at.is_vacant().await;
}

pub(super) async fn a_purge_removes_an_indeterminate_record(at: Scene) {
    at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    assert!(at.purge().await, "there was an indeterminate record");
    assert!(at.load().await.is_none(), "it is purged");
    at.is_vacant().await;
}

pub(super) async fn a_purge_removes_a_lapsed_reservation(at: Scene) {
    at.reserve_once_more().await;
    at.lapse().await;
    at.purge().await;
    assert!(at.load().await.is_none(), "it is purged");
    at.is_vacant().await;
}
