//! Abandoning: an owner that no longer works on its reservation says so.

use crate::model::{Guarantee, OwnerState, Record};
use crate::store::State;

use super::fixture::{Fixture, Owner};

pub(super) async fn an_abandoned_at_most_once_reservation_is_indeterminate_at_once(
    fixture: Fixture,
) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.abandon(&owner, &owner.reservation.abandoned()).await;
    if fixture.subject.abandons() {
        let entry = fixture.expect_taken().await;
        assert_eq!(entry.state, State::Indeterminate, "its owner has said that it does not know");
        assert_eq!(entry.record.owner_state(), OwnerState::Abandoned);
    } else {
        fixture.assert_reserved(&owner).await;
    }
}

pub(super) async fn an_abandoned_record_stays_for_its_retention_and_no_longer(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.abandon(&owner, &owner.reservation.abandoned()).await;
    if !fixture.subject.abandons() {
        return;
    }
    fixture.advance(fixture.retention() / 2).await;
    assert_eq!(fixture.expect_taken().await.state, State::Indeterminate);
    fixture.advance(fixture.retention() * 3 / 5).await;
    fixture.assert_vacant().await;
}

pub(super) async fn an_abandoned_at_least_once_reservation_is_vacant_at_once(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.abandon(&owner, &owner.reservation.abandoned()).await;
    if fixture.subject.abandons() {
        fixture.assert_vacant().await;
    }
}

pub(super) async fn an_abandoned_record_may_have_a_stricter_guarantee(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let record = owner.reservation.with_guarantee(Guarantee::AtMostOnce).abandoned();
    fixture.abandon(&owner, &record).await;
    if !fixture.subject.abandons() {
        return;
    }
    assert_eq!(fixture.expect_taken().await.state, State::Indeterminate);
    fixture.let_lease_expire().await;
    let entry = fixture.expect_taken().await;
    assert_eq!((entry.state, entry.record), (State::Indeterminate, record));
}

pub(super) async fn a_held_reservation_says_so_and_keeps_its_lease(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(guarantee).await;
        fixture.advance(fixture.lease() / 2).await;
        fixture.abandon(&owner, &owner.reservation.held()).await;
        if !fixture.subject.abandons() {
            continue;
        }
        let entry = fixture.expect_taken().await;
        assert_eq!(entry.state, State::Reserved);
        assert_eq!(entry.record.owner_state(), OwnerState::Held);
        fixture.assert_remaining(&entry, fixture.lease() / 2);
        fixture.let_lease_expire().await;
        let state = fixture.load().await.map(|entry| entry.state);
        assert_ne!(state, Some(State::Reserved), "its lease has lapsed");
    }
}

pub(super) async fn a_reservation_is_not_abandoned_by_another_token(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    for record in marked(&Owner::unknown()) {
        fixture.abandon(&Owner::unknown(), &record).await;
        fixture.assert_reserved(&owner).await;
        assert_eq!(fixture.expect_taken().await.record, owner.reservation);
    }
}

pub(super) async fn a_fenced_owner_does_not_abandon_its_successors_reservation(fixture: Fixture) {
    let fenced = fixture.reserve_at_least_once().await;
    fixture.let_lease_expire().await;
    let successor = fixture.reserve(Guarantee::AtMostOnce).await;
    for record in marked(&fenced) {
        fixture.abandon(&fenced, &record).await;
        fixture.assert_reserved(&successor).await;
        assert_eq!(fixture.expect_taken().await.record, successor.reservation);
    }
}

pub(super) async fn a_completed_record_is_not_abandoned(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.expect_recorded(&owner, b"result").await;
    for record in marked(&owner) {
        fixture.abandon(&owner, &record).await;
        let entry = fixture.expect_taken().await;
        assert_eq!((entry.state, entry.record), (State::Completed, owner.completed(b"result")));
    }
}

pub(super) async fn a_vacant_id_is_not_abandoned(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.release(&owner).await;
    for record in marked(&owner) {
        fixture.abandon(&owner, &record).await;
        assert!(fixture.load().await.is_none(), "the id is vacant");
    }
    fixture.assert_vacant().await;
}

pub(super) async fn an_abandoned_record_is_completed_by_its_late_owner(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.abandon(&owner, &owner.reservation.abandoned()).await;
    fixture.expect_recorded(&owner, b"late").await;
    let entry = fixture.expect_taken().await;
    assert_eq!((entry.state, entry.record), (State::Completed, owner.completed(b"late")));
}

pub(super) async fn an_abandoned_record_is_released_only_when_that_is_asked_for(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    let record = owner.reservation.abandoned();
    fixture.abandon(&owner, &record).await;
    if !fixture.subject.abandons() {
        return;
    }
    let seen = Owner { reservation: record };
    fixture.release(&seen).await;
    assert_eq!(fixture.expect_taken().await.state, State::Indeterminate);
    fixture.release_including_indeterminate(&seen).await;
    fixture.assert_vacant().await;
}

/// A reservation as it looks after either way to abandon it.
fn marked(owner: &Owner) -> [Record; 2] {
    [owner.reservation.held(), owner.reservation.abandoned()]
}
