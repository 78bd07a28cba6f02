//! Fencing: an owner whose id was reserved again cannot affect its successor.

use crate::model::Guarantee;
use crate::store::{RenewOutcome, State};

use super::fixture::{Fixture, Owner};

/// An owner whose lease lapsed, and the successor who reserved its id.
async fn taken_over(fixture: &Fixture) -> (Owner, Owner) {
    let fenced = fixture.reserve(Guarantee::AtLeastOnce).await;
    fixture.let_lease_expire().await;
    (fenced, fixture.reserve(Guarantee::AtLeastOnce).await)
}

pub(super) async fn a_fenced_owner_does_not_renew_its_successors_lease(fixture: Fixture) {
    let (fenced, successor) = taken_over(&fixture).await;
    fixture.advance(fixture.lease() / 2).await;
    assert_eq!(fixture.renew(&fenced, fixture.lease()).await, RenewOutcome::Lost);
    fixture.assert_reserved(&successor).await;
    fixture.advance(fixture.lease() * 3 / 5).await;
    fixture.assert_vacant().await;
}

pub(super) async fn a_fenced_owner_does_not_complete_its_successors_reservation(fixture: Fixture) {
    let (fenced, successor) = taken_over(&fixture).await;
    fixture.advance(fixture.lease() / 4).await;
    let entry = fixture.expect_superseded(&fenced).await;
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, successor.reservation);
    fixture.assert_remaining(&entry, fixture.lease() * 3 / 4);
    fixture.assert_reserved(&successor).await;
    fixture.expect_recorded(&successor, b"successor").await;
    fixture.assert_completed(&successor, b"successor").await;
}

pub(super) async fn a_fenced_owner_does_not_overwrite_its_successors_result(fixture: Fixture) {
    let (fenced, successor) = taken_over(&fixture).await;
    fixture.expect_recorded(&successor, b"successor").await;
    let entry = fixture.expect_superseded(&fenced).await;
    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record, successor.completed(b"successor"));
    fixture.assert_remaining(&entry, fixture.ttl());
    fixture.assert_completed(&successor, b"successor").await;
}

pub(super) async fn a_fenced_owner_does_not_release_its_successors_reservation(fixture: Fixture) {
    let (fenced, successor) = taken_over(&fixture).await;
    fixture.release(&fenced).await;
    fixture.release_including_indeterminate(&fenced).await;
    fixture.assert_reserved(&successor).await;
}

pub(super) async fn a_fenced_owner_does_not_resolve_its_successors_doubt(fixture: Fixture) {
    let fenced = fixture.reserve(Guarantee::AtLeastOnce).await;
    fixture.let_lease_expire().await;
    let successor = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    fixture.expect_superseded(&fenced).await;
    fixture.release_including_indeterminate(&fenced).await;
    assert_eq!(fixture.renew(&fenced, fixture.lease()).await, RenewOutcome::Lost);
    fixture.assert_indeterminate(&successor).await;
}
