//! Renewing: only the owner can do it, only in time, and it extends nothing but the lease.

use crate::model::Guarantee;
use crate::store::RenewOutcome;

use super::fixture::{Fixture, Owner};

pub(super) async fn a_renewal_starts_the_lease_anew(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(guarantee).await;
        fixture.advance(fixture.lease() / 2).await;
        assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Renewed);
        fixture.assert_remaining(&fixture.expect_taken().await, fixture.lease());
        fixture.advance(fixture.lease() * 3 / 4).await;
        fixture.assert_reserved(&owner).await;
    }
}

pub(super) async fn a_renewed_lease_still_lapses(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.advance(fixture.lease() / 2).await;
    assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Renewed);
    fixture.let_lease_expire().await;
    fixture.assert_vacant().await;
}

pub(super) async fn a_renewal_gives_the_lease_it_names(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    assert_eq!(fixture.renew(&owner, fixture.lease() * 3).await, RenewOutcome::Renewed);
    fixture.let_lease_expire().await;
    fixture.assert_reserved(&owner).await;
}

pub(super) async fn repeated_renewals_do_not_add_up(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    for _ in 0..3 {
        assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Renewed);
    }
    fixture.assert_reserved(&owner).await;
    fixture.let_lease_expire().await;
    fixture.assert_vacant().await;
}

pub(super) async fn a_renewal_of_another_token_is_lost_and_changes_nothing(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.advance(fixture.lease() / 2).await;
    let outcome = fixture.renew(&Owner::unknown(), fixture.lease()).await;
    assert_eq!(outcome, RenewOutcome::Lost);
    fixture.assert_reserved(&owner).await;
    fixture.advance(fixture.lease() * 3 / 5).await;
    fixture.assert_vacant().await;
}

pub(super) async fn a_renewal_of_a_vacant_id_is_lost_and_leaves_it_vacant(fixture: Fixture) {
    let owner = Owner::unknown();
    assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Lost);
    let owner = fixture.assert_vacant().await;
    fixture.release(&owner).await;
    assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Lost);
    fixture.assert_vacant().await;
}

pub(super) async fn a_renewal_after_the_lapse_is_lost_and_revives_nothing(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.let_lease_expire().await;
    assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Lost);
    fixture.assert_vacant().await;
}
