//! What the end of a lease means: the reservation's own guarantee says so.

use crate::record::Guarantee;
use crate::store::{RenewOutcome, ReserveOutcome, State};

use super::scene::{Owner, Scene};
use super::subject::Lapsed;

const ROUNDS: usize = 25;
const RACERS: usize = 12;

pub(super) async fn a_reservation_holds_until_its_lease_ends(at: Scene) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let at = at.another();
        let owner = at.reserve(guarantee).await;
        at.advance(at.lease() * 3 / 4).await;
        at.stands_reserved(&owner).await;
    }
}

pub(super) async fn a_lapsed_at_least_once_reservation_is_vacant(at: Scene) {
    at.reserve(Guarantee::AtLeastOnce).await;
    at.lapse().await;
    let successor = at.reserve(Guarantee::AtLeastOnce).await;
    at.stands_reserved(&successor).await;
    at.remains(&at.refused().await, at.lease());
}

pub(super) async fn of_many_concurrent_reserves_of_a_lapsed_id_exactly_one_wins(at: Scene) {
    let rounds: Vec<Scene> = (0..ROUNDS).map(|_| at.another()).collect();
    for at in &rounds {
        at.reserve(Guarantee::AtLeastOnce).await;
    }
    at.lapse().await;
    for at in rounds {
        let wins = at
            .race(RACERS, |at, _| async move {
                let request = at.request(Guarantee::AtLeastOnce);
                matches!(at.ask(&request).await, ReserveOutcome::Won)
            })
            .await;
        let wins = wins.into_iter().filter(|won| *won).count();
        assert_eq!(wins, 1, "winners of one race for a lapsed id");
    }
}

pub(super) async fn a_lapsed_at_least_once_reservation_looks_as_the_subject_declares(at: Scene) {
    let owner = at.reserve(Guarantee::AtLeastOnce).await;
    at.lapse().await;
    let entry = at.load().await;
    match at.subject.lapsed() {
        Lapsed::Kept => assert!(entry.is_some(), "the subject says that it is kept"),
        Lapsed::Forgotten => assert!(entry.is_none(), "the subject says that it is forgotten"),
        Lapsed::Either => {}
    }
    if let Some(entry) = entry {
        assert_eq!(entry.state, State::Lapsed);
        assert_eq!(entry.record, owner.reservation);
    }
}

pub(super) async fn a_lapsed_at_most_once_reservation_is_indeterminate_for_everyone(at: Scene) {
    let request = at.request(Guarantee::AtMostOnce);
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    at.lapse().await;
    at.stands_indeterminate(&owner).await;
    at.elsewhere().stands_indeterminate(&owner).await;
    let ReserveOutcome::Taken(entry) = at.ask(&request).await else {
        panic!("its own late reserve won an indeterminate id");
    };
    assert_eq!(entry.state, State::Indeterminate);
}

pub(super) async fn the_reservations_own_guarantee_governs_its_lapse(at: Scene) {
    let at_most_once = at.another();
    let owner = at_most_once.reserve(Guarantee::AtMostOnce).await;
    let at_least_once = at.another();
    at_least_once.reserve(Guarantee::AtLeastOnce).await;
    at.lapse().await;
    let newcomer = at_most_once.request(Guarantee::AtLeastOnce);
    let ReserveOutcome::Taken(entry) = at_most_once.ask(&newcomer).await else {
        panic!("a reserve under at least once won an indeterminate id");
    };
    assert_eq!(entry.state, State::Indeterminate);
    assert_eq!(entry.record, owner.reservation);
    at_least_once.reserve(Guarantee::AtMostOnce).await;
}

pub(super) async fn an_indeterminate_record_tells_its_remaining_retention(at: Scene) {
    at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    let since = at.lease() / 10;
    at.remains(&at.refused().await, at.retention() - since);
    at.remains(&at.load().await.expect("it stands"), at.retention() - since);
}

pub(super) async fn an_indeterminate_record_stays_for_its_retention_and_no_longer(at: Scene) {
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    at.advance(at.retention() / 2).await;
    at.stands_indeterminate(&owner).await;
    at.advance(at.retention() / 2).await;
    assert!(at.load().await.is_none(), "its retention is over");
    at.is_vacant().await;
}

pub(super) async fn a_renewed_reservation_keeps_its_whole_retention(at: Scene) {
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    assert_eq!(at.renew(&owner, at.lease() * 2).await, RenewOutcome::Renewed);
    at.lapse().await;
    at.lapse().await;
    at.advance(at.retention() / 2).await;
    at.stands_indeterminate(&owner).await;
}

pub(super) async fn the_late_owner_of_an_indeterminate_record_completes_it(at: Scene) {
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    at.record(&owner, b"late").await;
    at.stands_completed(&owner, b"late").await;
    at.advance(at.ttl() - at.lease() / 2).await;
    at.stands_completed(&owner, b"late").await;
}

pub(super) async fn another_owner_does_not_complete_an_indeterminate_record(at: Scene) {
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    let entry = at.superseded(&Owner::unknown()).await;
    assert_eq!(entry.state, State::Indeterminate);
    assert_eq!(entry.record, owner.reservation);
    at.stands_indeterminate(&owner).await;
}

pub(super) async fn an_indeterminate_record_is_not_renewed(at: Scene) {
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    assert_eq!(at.renew(&owner, at.lease()).await, RenewOutcome::Lost);
    at.stands_indeterminate(&owner).await;
}

pub(super) async fn an_indeterminate_record_is_released_only_when_that_is_asked_for(at: Scene) {
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    at.release(&owner).await;
    at.stands_indeterminate(&owner).await;
    at.release_even_indeterminate(&owner).await;
    assert!(at.load().await.is_none(), "it is released");
    at.is_vacant().await;
}

pub(super) async fn an_indeterminate_record_is_released_only_by_its_own_token(at: Scene) {
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    at.release_even_indeterminate(&Owner::unknown()).await;
    at.stands_indeterminate(&owner).await;
}
