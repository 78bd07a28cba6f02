//! Reserving: one winner, and what everybody else is told.

use crate::key::KeyParts;
use crate::record::{Envelope, Fingerprint, Guarantee, Token};
use crate::store::{ReserveOutcome, State, StoreErrorKind};

use super::scene::{Owner, Scene, fresh_id};

const ROUNDS: usize = 25;
const RACERS: usize = 12;

pub(super) async fn of_many_concurrent_reserves_exactly_one_wins(at: Scene) {
    for _ in 0..ROUNDS {
        let at = at.another();
        let answers = at
            .race(RACERS, |at, _| async move {
                let request = at.request(Guarantee::AtLeastOnce);
                let answer = at.ask(&request).await;
                (request.token(), answer)
            })
            .await;
        let winners: Vec<Token> = answers
            .iter()
            .filter(|(_, answer)| matches!(answer, ReserveOutcome::Won))
            .map(|(token, _)| *token)
            .collect();
        assert_eq!(winners.len(), 1, "winners of one race");
        for (_, answer) in &answers {
            if let ReserveOutcome::Taken(entry) = answer {
                assert_eq!(entry.record.token(), winners[0], "whom a loser is told of");
            }
        }
    }
}

pub(super) async fn the_winners_record_stands_under_the_id(at: Scene) {
    assert!(at.load().await.is_none(), "an id that nobody used is vacant");
    let owner = at.reserve(Guarantee::AtMostOnce).await;
    let entry = at.load().await.expect("the reservation stands");
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, owner.reservation);
    at.remains(&entry, at.lease());
}

pub(super) async fn a_taken_id_tells_its_record_and_its_remaining_lease(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.advance(at.lease() / 4).await;
    let entry = at.refused().await;
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, owner.reservation);
    at.remains(&entry, at.lease() * 3 / 4);
}

pub(super) async fn a_repeated_reserve_has_won_without_extending_its_lease(at: Scene) {
    let request = at.request(Guarantee::AtLeastOnce);
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won));
    at.advance(at.lease() / 2).await;
    assert!(
        matches!(at.ask(&request).await, ReserveOutcome::Won),
        "a reserve that finds its own token has won"
    );
    at.advance(at.lease() * 3 / 5).await;
    at.is_vacant().await;
}

pub(super) async fn a_repeated_reserve_after_its_lapse_wins_a_whole_lease(at: Scene) {
    let request = at.request(Guarantee::AtLeastOnce);
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won));
    at.lapse().await;
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won), "the id was vacant");
    at.advance(at.lease() / 2).await;
    assert_eq!(at.refused().await.record.token(), request.token());
}

pub(super) async fn a_repeated_reserve_after_its_completion_finds_it_completed(at: Scene) {
    let request = at.request(Guarantee::AtLeastOnce);
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    at.record(&owner, b"result").await;
    let ReserveOutcome::Taken(entry) = at.ask(&request).await else {
        panic!("a reserve won a completed id");
    };
    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record, owner.completed(b"result"));
}

pub(super) async fn a_late_reserve_does_not_touch_a_successor(at: Scene) {
    let late = at.request(Guarantee::AtLeastOnce);
    assert!(matches!(at.ask(&late).await, ReserveOutcome::Won));
    let first = Owner { reservation: late.record().clone() };
    at.release(&first).await;
    let successor = at.reserve_once_more().await;
    let ReserveOutcome::Taken(entry) = at.ask(&late).await else {
        panic!("a late reserve won a taken id");
    };
    assert_eq!(entry.record, successor.reservation);
    at.stands_reserved(&successor).await;
}

pub(super) async fn a_reserve_that_arrives_after_its_release_lapses_with_its_lease(at: Scene) {
    let late = at.request(Guarantee::AtLeastOnce);
    let owner = Owner { reservation: late.record().clone() };
    at.release(&owner).await;
    at.ask(&late).await;
    at.lapse().await;
    at.is_vacant().await;
}

pub(super) async fn every_field_of_a_reservation_survives(at: Scene) {
    let key = "order/42 \0\r\n\"'{}*?[]\\ ключ 🔑";
    let mut parts = KeyParts::default();
    parts.push(key);
    let envelope = Envelope {
        key: Some(&parts),
        fingerprint: Some(Fingerprint::from_bytes([0xA5; 32])),
        version: u32::MAX,
        ..at.envelope(Guarantee::AtMostOnce)
    };
    let request = crate::store::Reserve::new(&at.id, envelope);
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won));
    let entry = at.load().await.expect("the reservation stands");
    assert_eq!(entry.record.as_bytes(), request.record().as_bytes());
    assert_eq!(entry.record.key(), Some(key));
}

pub(super) async fn another_handle_sees_the_same_records(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.elsewhere().stands_reserved(&owner).await;
    at.elsewhere().record(&owner, b"result").await;
    at.stands_completed(&owner, b"result").await;
}

pub(super) async fn records_of_different_ids_do_not_touch_each_other(at: Scene) {
    let (kept, other) = (at.another(), at.with_id(fresh_id("contract::other")));
    let kept_owner = kept.reserve_once_more().await;
    let other_owner = other.reserve_once_more().await;
    other.record(&other_owner, b"other").await;
    let gone = at.reserve_once_more().await;
    at.release(&gone).await;
    at.complete(&kept_owner, b"mine").await;
    at.purge().await;
    kept.stands_reserved(&kept_owner).await;
    other.stands_completed(&other_owner, b"other").await;
    assert!(at.load().await.is_none(), "the purged id is vacant");
}

pub(super) async fn any_operation_name_is_only_a_name(at: Scene) {
    let longest = "n".repeat(128);
    let names = [
        "a",
        "a:",
        "a:b",
        "a*",
        "a?[b]",
        "a\\",
        "a'\"`;--",
        "%_",
        "$(x)|&<>",
        "../../a",
        "операция::🔑",
        &longest,
    ];
    let mut standing = Vec::new();
    for name in names {
        let at = at.with_id(fresh_id(name));
        let owner = at.reserve_once_more().await;
        at.record(&owner, name.as_bytes()).await;
        standing.push((at, owner, name));
    }
    for (at, owner, name) in standing {
        at.stands_completed(&owner, name.as_bytes()).await;
        assert!(at.purge().await, "{name} stands until it is purged");
    }
}

pub(super) async fn a_full_store_refuses_new_reservations_and_keeps_the_old_ones(at: Scene) {
    let Some(store) = at.subject.bounded(2) else {
        return;
    };
    let running = at.in_store(store);
    let lost = running.another();
    let runner = running.reserve_once_more().await;
    let lost_owner = lost.reserve(Guarantee::AtMostOnce).await;
    let newcomer = running.another();
    let refuses = || async {
        let request = newcomer.request(Guarantee::AtLeastOnce);
        let answer = newcomer.store.reserve(&request).await;
        let error = answer.expect_err("a full store reserves nothing more");
        assert_eq!(error.kind(), StoreErrorKind::Full);
    };
    refuses().await;
    running.advance(at.lease() * 3 / 5).await;
    running.renew(&runner, at.lease()).await;
    running.advance(at.lease() * 3 / 5).await;
    refuses().await;
    lost.stands_indeterminate(&lost_owner).await;
    running.stands_reserved(&runner).await;
    running.release(&runner).await;
    newcomer.reserve_once_more().await;
}
