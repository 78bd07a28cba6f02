//! Fencing: an owner whose lease lapsed and was taken can do nothing to its successor.

use crate::record::Guarantee;
use crate::store::{RenewOutcome, State};

use super::scene::{Owner, Scene};

/// An owner whose lease lapsed, and the one who took its id.
async fn taken_over(at: &Scene) -> (Owner, Owner) {
    let fenced = at.reserve(Guarantee::AtLeastOnce).await;
    at.lapse().await;
    (fenced, at.reserve(Guarantee::AtLeastOnce).await)
}

pub(super) async fn a_fenced_owner_does_not_renew_its_successors_lease(at: Scene) {
    let (fenced, successor) = taken_over(&at).await;
    at.advance(at.lease() / 2).await;
    assert_eq!(at.renew(&fenced, at.lease()).await, RenewOutcome::Lost);
    at.stands_reserved(&successor).await;
    at.advance(at.lease() * 3 / 5).await;
    at.is_vacant().await;
}

pub(super) async fn a_fenced_owner_does_not_complete_its_successors_reservation(at: Scene) {
    let (fenced, successor) = taken_over(&at).await;
    at.advance(at.lease() / 4).await;
    let entry = at.superseded(&fenced).await;
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, successor.reservation);
    at.remains(&entry, at.lease() * 3 / 4);
    at.stands_reserved(&successor).await;
    at.record(&successor, b"successor").await;
    at.stands_completed(&successor, b"successor").await;
}

pub(super) async fn a_fenced_owner_does_not_overwrite_its_successors_result(at: Scene) {
    let (fenced, successor) = taken_over(&at).await;
    at.record(&successor, b"successor").await;
    let entry = at.superseded(&fenced).await;
    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record, successor.completed(b"successor"));
    at.remains(&entry, at.ttl());
    at.stands_completed(&successor, b"successor").await;
}

pub(super) async fn a_fenced_owner_does_not_release_its_successors_reservation(at: Scene) {
    let (fenced, successor) = taken_over(&at).await;
    at.release(&fenced).await;
    at.release_even_indeterminate(&fenced).await;
    at.stands_reserved(&successor).await;
}

pub(super) async fn a_fenced_owner_does_not_resolve_its_successors_doubt(at: Scene) {
    let fenced = at.reserve(Guarantee::AtLeastOnce).await;
    at.lapse().await;
    let successor = at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    at.superseded(&fenced).await;
    at.release_even_indeterminate(&fenced).await;
    assert_eq!(at.renew(&fenced, at.lease()).await, RenewOutcome::Lost);
    at.stands_indeterminate(&successor).await;
}
