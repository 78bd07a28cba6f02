//! Completing: the first result is stored whole, and stays until its ttl is over.

use std::time::Duration;

use crate::model::{Guarantee, NotKept, Outcome};
use crate::store::{Complete, CompleteOutcome, IfVacant, RenewOutcome, ReserveOutcome, State};

use super::fixture::{AN_HOUR, Fixture, Owner, expect_answer};

const ROUNDS: usize = 25;
const RACERS: usize = 8;

pub(super) async fn a_completed_record_replays_byte_for_byte(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(1000).collect();
    fixture.expect_recorded(&owner, &every_byte).await;
    fixture.assert_completed(&owner, &every_byte).await;
    fixture.assert_completed(&owner, &every_byte).await;
}

pub(super) async fn falsy_results_are_results(fixture: Fixture) {
    for payload in [&b""[..], b"\0", b"\xC0", b"\x90", b"0", b"false", b"null", b"nil"] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve_at_least_once().await;
        fixture.expect_recorded(&owner, payload).await;
        fixture.assert_completed(&owner, payload).await;
    }
}

pub(super) async fn a_result_of_one_mebibyte_survives(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let payload: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    fixture.expect_recorded(&owner, &payload).await;
    let entry = fixture.expect_taken().await;
    assert!(entry.record.outcome() == Outcome::Kept(&payload), "the payload changed");
}

pub(super) async fn a_tombstone_stands_like_any_result(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let tombstone = owner.reservation.tombstone(NotKept::TooLarge);
    let request = Complete::new(&fixture.id, &owner.reservation, &tombstone, fixture.ttl());
    let outcome = expect_answer(fixture.store.complete(&request).await);
    assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
    fixture.assert_holds(State::Completed, &tombstone).await;
}

pub(super) async fn a_completed_record_keeps_its_token_and_tells_its_ttl(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.advance(fixture.lease() / 4).await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture.advance(fixture.lease() / 2).await;
    let (looked, refused) =
        (fixture.load().await.expect("the record exists"), fixture.expect_taken().await);
    for entry in [looked, refused] {
        assert_eq!(entry.record.token(), owner.token());
        fixture.assert_remaining(&entry, fixture.ttl() - fixture.lease() / 2);
    }
}

pub(super) async fn a_completed_record_outlives_the_lease_and_ends_with_its_ttl(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture.let_lease_expire().await;
    fixture.assert_completed(&owner, b"result").await;
    fixture.advance(fixture.ttl() - fixture.lease()).await;
    assert!(fixture.load().await.is_none(), "the ttl is over");
    fixture.assert_vacant().await;
}

pub(super) async fn a_ttl_shorter_than_the_lease_ends_first(fixture: Fixture) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(guarantee).await;
        let ttl = fixture.lease() / 4;
        fixture.complete_for(&owner, b"result", ttl, IfVacant::Record).await;
        fixture.advance(fixture.lease() / 2).await;
        fixture.assert_vacant().await;
    }
}

pub(super) async fn leases_and_ttls_beyond_every_calendar_do_no_harm(fixture: Fixture) {
    let mut envelope = fixture.envelope(Guarantee::AtMostOnce);
    (envelope.lease, envelope.retention) = (Duration::MAX, Duration::MAX);
    let request = crate::store::Reserve::new(&fixture.id, envelope);
    assert!(matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    fixture.let_lease_expire().await;
    fixture.assert_reserved(&owner).await;
    assert_eq!(fixture.renew(&owner, Duration::MAX).await, RenewOutcome::Renewed);
    fixture.assert_reserved(&owner).await;
    fixture.complete_for(&owner, b"result", Duration::MAX, IfVacant::Record).await;
    fixture.let_lease_expire().await;
    fixture.assert_completed(&owner, b"result").await;
}

pub(super) async fn a_ttl_below_the_clocks_grain_ends_at_once(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let ttl = Duration::from_nanos(1);
    let outcome = fixture.complete_for(&owner, b"result", ttl, IfVacant::Record).await;
    assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
    fixture.advance(fixture.lease() / 4).await;
    fixture.assert_vacant().await;
}

pub(super) async fn a_repeated_complete_is_recorded_and_changes_nothing(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.expect_recorded(&owner, b"first").await;
    fixture.advance(fixture.lease()).await;
    fixture.expect_recorded(&owner, b"second").await;
    fixture.assert_completed(&owner, b"first").await;
    fixture.advance(fixture.ttl() - fixture.lease() / 2).await;
    assert!(fixture.load().await.is_none(), "the first ttl is over");
}

pub(super) async fn a_complete_of_another_token_does_not_touch_a_completed_record(
    fixture: Fixture,
) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.expect_recorded(&owner, b"result").await;
    let entry = fixture.expect_superseded(&Owner::unknown()).await;
    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record, owner.completed(b"result"));
    fixture.assert_completed(&owner, b"result").await;
}

pub(super) async fn a_complete_of_another_token_does_not_touch_a_reservation(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    let entry = fixture.expect_superseded(&Owner::unknown()).await;
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, owner.reservation);
    fixture.assert_reserved(&owner).await;
}

pub(super) async fn a_late_renew_does_not_touch_a_completed_record(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.expect_recorded(&owner, b"result").await;
    assert_eq!(fixture.renew(&owner, fixture.lease() / 4).await, RenewOutcome::Lost);
    fixture.let_lease_expire().await;
    fixture.assert_completed(&owner, b"result").await;
    assert_eq!(fixture.renew(&owner, fixture.ttl()).await, RenewOutcome::Lost);
    fixture.advance(fixture.ttl() - fixture.lease()).await;
    assert!(fixture.load().await.is_none(), "the ttl was not extended");
}

pub(super) async fn a_late_release_does_not_touch_a_completed_record(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture.release(&owner).await;
    fixture.release_including_indeterminate(&owner).await;
    fixture.assert_completed(&owner, b"result").await;
}

pub(super) async fn a_result_is_recorded_where_nothing_stands(fixture: Fixture) {
    let never_reserved = Owner::unknown();
    fixture.expect_recorded(&never_reserved, b"result").await;
    fixture.assert_completed(&never_reserved, b"result").await;

    let fixture = fixture.with_fresh_id();
    let released = fixture.reserve_at_least_once().await;
    fixture.release(&released).await;
    fixture.expect_recorded(&released, b"result").await;
    fixture.assert_completed(&released, b"result").await;

    let fixture = fixture.with_fresh_id();
    let purged = fixture.reserve_at_least_once().await;
    fixture.purge().await;
    fixture.expect_recorded(&purged, b"result").await;
    fixture.assert_completed(&purged, b"result").await;
}

pub(super) async fn a_result_is_recorded_after_a_lapse_that_nobody_took(fixture: Fixture) {
    let owner = fixture.reserve_at_least_once().await;
    fixture.let_lease_expire().await;
    fixture.expect_recorded(&owner, b"late").await;
    fixture.assert_completed(&owner, b"late").await;
}

pub(super) async fn a_vacant_id_refuses_a_result_that_asks_for_its_record(fixture: Fixture) {
    let never_reserved = Owner::unknown();
    let outcome = fixture.complete_if_reserved(&never_reserved, b"result").await;
    assert!(matches!(outcome, CompleteOutcome::Gone), "{outcome:?}");
    let owner = fixture.assert_vacant().await;
    fixture.release(&owner).await;
    let outcome = fixture.complete_if_reserved(&owner, b"result").await;
    assert!(matches!(outcome, CompleteOutcome::Gone), "{outcome:?}");
    fixture.assert_vacant().await;
}

/// The answer to the lapsed reservation's own token depends on whether the store still knows it.
pub(super) async fn a_lapsed_id_refuses_anothers_result_that_asks_for_its_record(fixture: Fixture) {
    fixture.reserve_at_least_once().await;
    fixture.let_lease_expire().await;
    let outcome = fixture.complete_if_reserved(&Owner::unknown(), b"result").await;
    assert!(matches!(outcome, CompleteOutcome::Gone), "{outcome:?}");
    fixture.assert_vacant().await;
}

pub(super) async fn a_result_that_asks_for_its_record_is_recorded_on_it(fixture: Fixture) {
    for lapses in [false, true] {
        let fixture = fixture.with_fresh_id();
        let owner = fixture.reserve(Guarantee::AtMostOnce).await;
        if lapses {
            fixture.let_lease_expire().await;
        }
        let outcome = fixture.complete_if_reserved(&owner, b"resolved").await;
        assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
        fixture.assert_completed(&owner, b"resolved").await;
    }
}

pub(super) async fn of_many_concurrent_results_for_a_vacant_id_one_is_recorded(fixture: Fixture) {
    for _ in 0..ROUNDS {
        let fixture = fixture.with_fresh_id();
        let answers = fixture
            .race(RACERS, |fixture, _| async move {
                let owner = Owner::unknown();
                let (payload, if_vacant) = (owner.token(), IfVacant::Record);
                let outcome =
                    fixture.complete_for(&owner, payload.as_bytes(), AN_HOUR, if_vacant).await;
                (owner, outcome)
            })
            .await;
        let recorded: Vec<&Owner> = answers
            .iter()
            .filter(|(_, outcome)| matches!(outcome, CompleteOutcome::Recorded))
            .map(|(owner, _)| owner)
            .collect();
        fixture.assert_one_won(recorded.len(), "results recorded in one race");
        fixture.assert_completed(recorded[0], recorded[0].token().as_bytes()).await;
    }
}

/// The owner of a lapsed lease completes at the moment when others reserve.
pub(super) async fn a_late_result_and_the_next_reserve_do_not_both_win(fixture: Fixture) {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let fixture = fixture.with_fresh_id();
        let late = fixture.reserve_at_least_once().await;
        rounds.push((fixture, late));
    }
    fixture.let_lease_expire().await;
    for (round, (fixture, late)) in rounds.into_iter().enumerate() {
        let wins = fixture
            .race(RACERS, |fixture, racer| {
                let late = late.clone();
                async move {
                    if racer == round % RACERS {
                        let if_vacant = IfVacant::Record;
                        let outcome =
                            fixture.complete_for(&late, b"late", AN_HOUR, if_vacant).await;
                        matches!(outcome, CompleteOutcome::Recorded)
                    } else {
                        let request = fixture.request_for_an_hour();
                        matches!(fixture.try_reserve(&request).await, ReserveOutcome::Won)
                    }
                }
            })
            .await;
        let wins = wins.into_iter().filter(|won| *won).count();
        fixture.assert_one_won(wins, "a late result and reserves that won");
    }
}
