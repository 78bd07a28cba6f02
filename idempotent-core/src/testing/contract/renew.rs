//! Renewing: only the owner, only in time, and only the lease.

use crate::record::Guarantee;
use crate::store::RenewOutcome;

use super::scene::{Owner, Scene};

pub(super) async fn a_renewal_starts_the_lease_anew(at: Scene) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let at = at.another();
        let owner = at.reserve(guarantee).await;
        at.advance(at.lease() / 2).await;
        assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Renewed);
        at.remains(&at.refused().await, at.lease());
        at.advance(at.lease() * 3 / 4).await;
        at.stands_reserved(&owner).await;
    }
}

pub(super) async fn a_renewed_lease_still_lapses(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.advance(at.lease() / 2).await;
    assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Renewed);
    at.lapse().await;
    at.is_vacant().await;
}

pub(super) async fn a_renewal_gives_the_lease_it_names(at: Scene) {
    let owner = at.reserve_once_more().await;
    assert_eq!(at.renew(&owner, at.lease() * 3).await, RenewOutcome::Renewed);
    at.lapse().await;
    at.stands_reserved(&owner).await;
}

pub(super) async fn repeated_renewals_do_not_add_up(at: Scene) {
    let owner = at.reserve_once_more().await;
    for _ in 0..3 {
        assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Renewed);
    }
    at.stands_reserved(&owner).await;
    at.lapse().await;
    at.is_vacant().await;
}

pub(super) async fn a_renewal_of_another_token_is_lost_and_changes_nothing(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.advance(at.lease() / 2).await;
    let outcome = at.renew(&Owner::unknown(), at.lease()).await;
    assert_eq!(outcome, RenewOutcome::Lost);
    at.stands_reserved(&owner).await;
    at.advance(at.lease() * 3 / 5).await;
    at.is_vacant().await;
}

pub(super) async fn a_renewal_of_a_vacant_id_is_lost_and_leaves_it_vacant(at: Scene) {
    let owner = Owner::unknown();
    assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Lost);
    let owner = at.is_vacant().await;
    at.release(&owner).await;
    assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Lost);
    at.is_vacant().await;
}

pub(super) async fn a_renewal_after_the_lapse_is_lost_and_revives_nothing(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.lapse().await;
    assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Lost);
    at.is_vacant().await;
}
