//! Reserving: one caller wins, and all others learn about it.

use crate::model::KeyParts;
use crate::model::{Envelope, Fingerprint, Guarantee, Token};
use crate::store::{ReserveOutcome, State, StoreErrorKind};

use super::fixture::{Fixture, Owner, fresh_id};

const ROUNDS: usize = 25;
const RACERS: usize = 12;

pub(super) async fn of_many_concurrent_reserves_exactly_one_wins(fixture: Fixture) {
    for _ in 0..ROUNDS {
        let fixture = fixture.with_fresh_id();
        let answers = fixture
            .race(RACERS, |fixture, _| async move {
                let request = fixture.request_for_an_hour();
                let answer = fixture.try_reserve(&request).await;
                (request.token(), answer)
            })
            .await;
        let winners: Vec<Token> = answers
            .iter()
            .filter(|(_, answer)| matches!(answer, ReserveOutcome::Won))
            .map(|(token, _)| *token)
            .collect();
        fixture.assert_one_won(winners.len(), "winners of one race");
        for (_, answer) in &answers {
            if let ReserveOutcome::Taken(entry) = answer {
                assert_eq!(entry.record.token(), winners[0], "the winner that a loser learns of");
            }
        }
    }
}

pub(super) async fn the_winners_record_stands_under_the_id(fixture: Fixture) {
    assert!(fixture.load().await.is_none(), "an id that nobody used is vacant");
    let owner = fixture.reserve(Guarantee::AtMostOnce).await;
    let entry = fixture.load().await.expect("the reservation exists");
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, owner.reservation);
    fixture.assert_remaining(&entry, fixture.lease());
}

pub(super) async fn a_taken_id_tells_its_record_and_its_remaining_lease(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.advance(fixture.lease() / 4).await;
    let entry = fixture.expect_taken().await;
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, owner.reservation);
    fixture.assert_remaining(&entry, fixture.lease() * 3 / 4);
}

pub(super) async fn a_repeated_reserve_has_won_without_extending_its_lease(fixture: Fixture) {
    let request = fixture.request(Guarantee::AtLeastOnce);
    assert!(matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won));
    fixture.advance(fixture.lease() / 2).await;
    assert!(
        matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won),
        "a reserve that finds its own token has won"
    );
    fixture.advance(fixture.lease() * 3 / 5).await;
    fixture.assert_vacant().await;
}

pub(super) async fn a_repeated_reserve_after_its_lapse_wins_a_whole_lease(fixture: Fixture) {
    let request = fixture.request(Guarantee::AtLeastOnce);
    assert!(matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won));
    fixture.let_lease_expire().await;
    assert!(
        matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won),
        "the id was vacant"
    );
    fixture.advance(fixture.lease() / 2).await;
    assert_eq!(fixture.expect_taken().await.record.token(), request.token());
}

pub(super) async fn a_repeated_reserve_after_its_completion_finds_it_completed(fixture: Fixture) {
    let request = fixture.request(Guarantee::AtLeastOnce);
    assert!(matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    fixture.expect_recorded(&owner, b"result").await;
    let ReserveOutcome::Taken(entry) = fixture.try_reserve(&request).await else {
        panic!("a reserve won a completed id");
    };
    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record, owner.completed(b"result"));
}

pub(super) async fn a_late_reserve_does_not_touch_a_successor(fixture: Fixture) {
    let late = fixture.request(Guarantee::AtLeastOnce);
    assert!(matches!(fixture.try_reserve(&late).await, ReserveOutcome::Won));
    let first = Owner { reservation: late.record().clone() };
    fixture.release(&first).await;
    let successor = fixture.reserve_at_least_once().await;
    let ReserveOutcome::Taken(entry) = fixture.try_reserve(&late).await else {
        panic!("a late reserve won a taken id");
    };
    assert_eq!(entry.record, successor.reservation);
    fixture.assert_reserved(&successor).await;
}

pub(super) async fn a_reserve_that_arrives_after_its_release_lapses_with_its_lease(
    fixture: Fixture,
) {
    let late = fixture.request(Guarantee::AtLeastOnce);
    let owner = Owner { reservation: late.record().clone() };
    fixture.release(&owner).await;
    fixture.try_reserve(&late).await;
    fixture.let_lease_expire().await;
    fixture.assert_vacant().await;
}

pub(super) async fn every_field_of_a_reservation_survives(fixture: Fixture) {
    let key = "order/42 \0\r\n\"'{}*?[]\\ ключ 🔑";
    let mut parts = KeyParts::default();
    parts.push(key);
    let envelope = Envelope {
        key: Some(&parts),
        fingerprint: Some(Fingerprint::from_bytes([0xA5; 32])),
        version: u32::MAX,
        ..fixture.envelope(Guarantee::AtMostOnce)
    };
    let request = crate::store::Reserve::new(&fixture.id, envelope);
    assert!(matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won));
    let entry = fixture.load().await.expect("the reservation exists");
    assert_eq!(entry.record.as_bytes(), request.record().as_bytes());
    assert_eq!(entry.record.key(), Some(key));
}

pub(super) async fn another_handle_sees_the_same_records(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.other_process().assert_reserved(&owner).await;
    fixture.other_process().expect_recorded(&owner, b"result").await;
    fixture.assert_completed(&owner, b"result").await;
}

pub(super) async fn records_of_different_ids_do_not_touch_each_other(fixture: Fixture) {
    let (kept, other) = (fixture.with_fresh_id(), fixture.with_id(fresh_id("contract::other")));
    let kept_owner = kept.reserve_at_least_once().await;
    let other_owner = other.reserve_at_least_once().await;
    other.expect_recorded(&other_owner, b"other").await;
    let gone = fixture.reserve_at_least_once().await;
    fixture.release(&gone).await;
    fixture.complete(&kept_owner, b"mine").await;
    fixture.purge().await;
    kept.assert_reserved(&kept_owner).await;
    other.assert_completed(&other_owner, b"other").await;
    assert!(fixture.load().await.is_none(), "the purged id is vacant");
}

pub(super) async fn any_operation_name_is_only_a_name(fixture: Fixture) {
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
        let fixture = fixture.with_id(fresh_id(name));
        let owner = fixture.reserve_at_least_once().await;
        fixture.expect_recorded(&owner, name.as_bytes()).await;
        standing.push((fixture, owner, name));
    }
    for (fixture, owner, name) in standing {
        fixture.assert_completed(&owner, name.as_bytes()).await;
        assert!(fixture.purge().await, "{name} stands until it is purged");
    }
}

pub(super) async fn a_full_store_refuses_new_reservations_and_keeps_the_old_ones(fixture: Fixture) {
    let Some(store) = fixture.subject.bounded(2) else {
        return;
    };
    let running = fixture.in_store(store);
    let lost = running.with_fresh_id();
    let runner = running.reserve_at_least_once().await;
    let lost_owner = lost.reserve(Guarantee::AtMostOnce).await;
    let newcomer = running.with_fresh_id();
    let refuses = || async {
        let request = newcomer.request(Guarantee::AtLeastOnce);
        let answer = newcomer.store.reserve(&request).await;
        let error = answer.expect_err("a full store reserves nothing more");
        assert_eq!(error.kind(), StoreErrorKind::Full);
    };
    refuses().await;
    running.advance(fixture.lease() * 3 / 5).await;
    running.renew(&runner, fixture.lease()).await;
    running.advance(fixture.lease() * 3 / 5).await;
    refuses().await;
    lost.assert_indeterminate(&lost_owner).await;
    running.assert_reserved(&runner).await;
    running.release(&runner).await;
    newcomer.reserve_at_least_once().await;
}
