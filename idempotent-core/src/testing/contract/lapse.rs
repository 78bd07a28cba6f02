//! What happens when a lease lapses, which depends on the guarantee of the reservation.

use crate::model::Guarantee;
use crate::store::{RenewOutcome, ReserveOutcome, State};

use super::fixture::{Fixture, Owner};
use super::subject::Lapsed;

const ROUNDS: usize = 25;
const RACERS: usize = 12;

pub(super) async fn a_reservation_holds_until_its_lease_ends(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(guarantee).await;
        fixture.advance(fixture.lease() * 3 / 4).await;
        fixture.assert_reserved(&owner).await;
    }
}

pub(super) async fn a_lapsed_at_least_once_reservation_is_vacant(fixture: Fixture) {
    fixture.reserve(Guarantee::AtLeastOnce).await;
    fixture.let_lease_expire().await;
    let successor = fixture.reserve(Guarantee::AtLeastOnce).await;
    fixture.assert_reserved(&successor).await;
    fixture.assert_remaining(&fixture.expect_taken().await, fixture.lease());
}

pub(super) async fn of_many_concurrent_reserves_of_a_lapsed_id_exactly_one_wins(fixture: Fixture) {
    let rounds: Vec<Fixture> = (0..ROUNDS).map(|_| fixture.with_fresh_id()).collect();
    for fixture in &rounds {
        fixture.reserve(Guarantee::AtLeastOnce).await;
    }
    fixture.let_lease_expire().await;
    for fixture in rounds {
        let wins = fixture
            .race(RACERS, |fixture, _| async move {
                let request = fixture.request_for_an_hour();
                matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won)
            })
            .await;
        let wins = wins.into_iter().filter(|won| *won).count();
        fixture.assert_one_won(wins, "winners of one race for a lapsed id");
    }
}

pub(super) async fn a_lapsed_at_least_once_reservation_looks_as_the_subject_declares(
    fixture: Fixture,
) {
    let owner = fixture.reserve(Guarantee::AtLeastOnce).await;
    fixture.let_lease_expire().await;
    let entry = fixture.load().await;
    match fixture.subject.lapsed() {
        Lapsed::Kept => assert!(entry.is_some(), "the subject says that it is kept"),
        Lapsed::Forgotten => assert!(entry.is_none(), "the subject says that it is forgotten"),
        Lapsed::Either => {}
    }
    if let Some(entry) = entry {
        assert_eq!(entry.state, State::Lapsed);
        assert_eq!(entry.record, owner.reservation);
    }
}

pub(super) async fn a_lapsed_at_most_once_reservation_is_indeterminate_for_everyone(
    fixture: Fixture,
) {
    let request = fixture.request(Guarantee::AtMostOnce);
    assert!(matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    fixture.let_lease_expire().await;
    fixture.assert_indeterminate(&owner).await;
    fixture.other_process().assert_indeterminate(&owner).await;
    let ReserveOutcome::Taken(entry) = fixture.try_reserve(&request).await else {
        panic!("its own late reserve won an indeterminate id");
    };
    assert_eq!(entry.state, State::Indeterminate);
}

pub(super) async fn the_reservations_own_guarantee_governs_its_lapse(fixture: Fixture) {
    let at_most_once = fixture.with_fresh_id();
    let owner = at_most_once.reserve(Guarantee::AtMostOnce).await;
    let at_least_once = fixture.with_fresh_id();
    at_least_once.reserve(Guarantee::AtLeastOnce).await;
    fixture.let_lease_expire().await;
    let newcomer = at_most_once.request(Guarantee::AtLeastOnce);
    let ReserveOutcome::Taken(entry) = at_most_once.try_reserve(&newcomer).await else {
        panic!("a reserve under at least once won an indeterminate id");
    };
    assert_eq!(entry.state, State::Indeterminate);
    assert_eq!(entry.record, owner.reservation);
    at_least_once.reserve(Guarantee::AtMostOnce).await;
}

pub(super) async fn an_indeterminate_record_tells_its_remaining_retention(fixture: Fixture) {
    fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    let since = fixture.lease() / 10;
    fixture.assert_remaining(&fixture.expect_taken().await, fixture.retention() - since);
    fixture.assert_remaining(
        &fixture.load().await.expect("the record exists"),
        fixture.retention() - since,
    );
}

pub(super) async fn an_indeterminate_record_stays_for_its_retention_and_no_longer(
    fixture: Fixture,
) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    fixture.advance(fixture.retention() / 2).await;
    fixture.assert_indeterminate(&owner).await;
    fixture.advance(fixture.retention() / 2).await;
    assert!(fixture.load().await.is_none(), "its retention is over");
    fixture.assert_vacant().await;
}

pub(super) async fn a_renewed_reservation_keeps_its_whole_retention(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    assert_eq!(fixture.renew(&owner, fixture.lease() * 2).await, RenewOutcome::Renewed);
    fixture.let_lease_expire().await;
    fixture.let_lease_expire().await;
    fixture.advance(fixture.retention() / 2).await;
    fixture.assert_indeterminate(&owner).await;
}

pub(super) async fn the_late_owner_of_an_indeterminate_record_completes_it(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    fixture.expect_recorded(&owner, b"late").await;
    fixture.assert_completed(&owner, b"late").await;
    fixture.advance(fixture.ttl() - fixture.lease() / 2).await;
    fixture.assert_completed(&owner, b"late").await;
}

pub(super) async fn another_owner_does_not_complete_an_indeterminate_record(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    let entry = fixture.expect_superseded(&Owner::unknown()).await;
    assert_eq!(entry.state, State::Indeterminate);
    assert_eq!(entry.record, owner.reservation);
    fixture.assert_indeterminate(&owner).await;
}

pub(super) async fn an_indeterminate_record_is_not_renewed(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    assert_eq!(fixture.renew(&owner, fixture.lease()).await, RenewOutcome::Lost);
    fixture.assert_indeterminate(&owner).await;
}

pub(super) async fn an_indeterminate_record_is_released_only_when_that_is_asked_for(
    fixture: Fixture,
) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    fixture.release(&owner).await;
    fixture.assert_indeterminate(&owner).await;
    fixture.release_including_indeterminate(&owner).await;
    assert!(fixture.load().await.is_none(), "it is released");
    fixture.assert_vacant().await;
}

pub(super) async fn an_indeterminate_record_is_released_only_by_its_own_token(fixture: Fixture) {
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    fixture.release_including_indeterminate(&Owner::unknown()).await;
    fixture.assert_indeterminate(&owner).await;
}
