//! Completing: the result that stands is the first one, whole, and final until its time is over.

use std::time::Duration;

use crate::record::{Guarantee, NotKept, Outcome};
use crate::store::{Complete, CompleteOutcome, RenewOutcome, ReserveOutcome, State, Vacant};

use super::scene::{Owner, Scene, answered};

const ROUNDS: usize = 25;
const RACERS: usize = 8;

pub(super) async fn a_completed_record_replays_byte_for_byte(at: Scene) {
    let owner = at.reserve_once_more().await;
    let every_byte: Vec<u8> = (0..=255).cycle().take(1000).collect();
    at.record(&owner, &every_byte).await;
    at.stands_completed(&owner, &every_byte).await;
    at.stands_completed(&owner, &every_byte).await;
}

pub(super) async fn falsy_results_are_results(at: Scene) {
    for payload in [&b""[..], b"\0", b"\xC0", b"\x90", b"0", b"false", b"null", b"nil"] {
        let at = at.another();
        let owner = at.reserve_once_more().await;
        at.record(&owner, payload).await;
        at.stands_completed(&owner, payload).await;
    }
}

pub(super) async fn a_result_of_one_mebibyte_survives(at: Scene) {
    let owner = at.reserve_once_more().await;
    let payload: Vec<u8> = (0..=250).cycle().take(1 << 20).collect();
    at.record(&owner, &payload).await;
    let entry = at.refused().await;
    assert!(entry.record.outcome() == Outcome::Kept(&payload), "the payload changed");
}

pub(super) async fn a_tombstone_stands_like_any_result(at: Scene) {
    let owner = at.reserve_once_more().await;
    let tombstone = owner.reservation.tombstone(NotKept::TooLarge);
    let request = Complete::new(&at.id, &owner.reservation, &tombstone, at.ttl());
    let outcome = answered(at.store.complete(&request).await);
    assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
    at.stands(State::Completed, &tombstone).await;
}

pub(super) async fn a_completed_record_keeps_its_token_and_tells_its_ttl(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.advance(at.lease() / 4).await;
    at.record(&owner, b"result").await;
    at.advance(at.lease() / 2).await;
    let (looked, refused) = (at.load().await.expect("it stands"), at.refused().await);
    for entry in [looked, refused] {
        assert_eq!(entry.record.token(), owner.token());
        at.remains(&entry, at.ttl() - at.lease() / 2);
    }
}

pub(super) async fn a_completed_record_outlives_the_lease_and_ends_with_its_ttl(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.record(&owner, b"result").await;
    at.lapse().await;
    at.stands_completed(&owner, b"result").await;
    at.advance(at.ttl() - at.lease()).await;
    assert!(at.load().await.is_none(), "the ttl is over");
    at.is_vacant().await;
}

pub(super) async fn a_ttl_shorter_than_the_lease_ends_first(at: Scene) {
    for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
        let at = at.another();
        let owner = at.reserve(guarantee).await;
        let ttl = at.lease() / 4;
        at.complete_for(&owner, b"result", ttl, Vacant::Record).await;
        at.advance(at.lease() / 2).await;
        at.is_vacant().await;
    }
}

pub(super) async fn leases_and_ttls_beyond_every_calendar_do_no_harm(at: Scene) {
    let mut envelope = at.envelope(Guarantee::AtMostOnce);
    (envelope.lease, envelope.retention) = (Duration::MAX, Duration::MAX);
    let request = crate::store::Reserve::new(&at.id, envelope);
    assert!(matches!(at.ask(&request).await, ReserveOutcome::Won));
    let owner = Owner { reservation: request.record().clone() };
    at.lapse().await;
    at.stands_reserved(&owner).await;
    assert_eq!(at.renew(&owner, Duration::MAX).await, RenewOutcome::Renewed);
    at.stands_reserved(&owner).await;
    at.complete_for(&owner, b"result", Duration::MAX, Vacant::Record).await;
    at.lapse().await;
    at.stands_completed(&owner, b"result").await;
}

pub(super) async fn a_ttl_below_the_clocks_grain_ends_at_once(at: Scene) {
    let owner = at.reserve_once_more().await;
    let ttl = Duration::from_nanos(1);
    let outcome = at.complete_for(&owner, b"result", ttl, Vacant::Record).await;
    assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
    at.advance(at.lease() / 4).await;
    at.is_vacant().await;
}

pub(super) async fn a_repeated_complete_is_recorded_and_changes_nothing(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.record(&owner, b"first").await;
    at.advance(at.lease()).await;
    at.record(&owner, b"second").await;
    at.stands_completed(&owner, b"first").await;
    at.advance(at.ttl() - at.lease() / 2).await;
    assert!(at.load().await.is_none(), "the first ttl is over");
}

pub(super) async fn a_complete_of_another_token_does_not_touch_a_completed_record(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.record(&owner, b"result").await;
    let entry = at.superseded(&Owner::unknown()).await;
    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record, owner.completed(b"result"));
    at.stands_completed(&owner, b"result").await;
}

pub(super) async fn a_complete_of_another_token_does_not_touch_a_reservation(at: Scene) {
    let owner = at.reserve_once_more().await;
    let entry = at.superseded(&Owner::unknown()).await;
    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, owner.reservation);
    at.stands_reserved(&owner).await;
}

pub(super) async fn a_late_renew_does_not_touch_a_completed_record(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.record(&owner, b"result").await;
    assert_eq!(at.renew(&owner, at.lease() / 4).await, RenewOutcome::Lost);
    at.lapse().await;
    at.stands_completed(&owner, b"result").await;
    assert_eq!(at.renew(&owner, at.ttl()).await, RenewOutcome::Lost);
    at.advance(at.ttl() - at.lease()).await;
    assert!(at.load().await.is_none(), "the ttl was not extended");
}

pub(super) async fn a_late_release_does_not_touch_a_completed_record(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.record(&owner, b"result").await;
    at.release(&owner).await;
    at.release_even_indeterminate(&owner).await;
    at.stands_completed(&owner, b"result").await;
}

pub(super) async fn a_result_is_recorded_where_nothing_stands(at: Scene) {
    let never_reserved = Owner::unknown();
    at.record(&never_reserved, b"result").await;
    at.stands_completed(&never_reserved, b"result").await;

    let at = at.another();
    let released = at.reserve_once_more().await;
    at.release(&released).await;
    at.record(&released, b"result").await;
    at.stands_completed(&released, b"result").await;

    let at = at.another();
    let purged = at.reserve_once_more().await;
    at.purge().await;
    at.record(&purged, b"result").await;
    at.stands_completed(&purged, b"result").await;
}

pub(super) async fn a_result_is_recorded_after_a_lapse_that_nobody_took(at: Scene) {
    let owner = at.reserve_once_more().await;
    at.lapse().await;
    at.record(&owner, b"late").await;
    at.stands_completed(&owner, b"late").await;
}

pub(super) async fn a_vacant_id_refuses_a_result_that_asks_for_its_record(at: Scene) {
    let never_reserved = Owner::unknown();
    let outcome = at.complete_if_there(&never_reserved, b"result").await;
    assert!(matches!(outcome, CompleteOutcome::Gone), "{outcome:?}");
    let owner = at.is_vacant().await;
    at.release(&owner).await;
    let outcome = at.complete_if_there(&owner, b"result").await;
    assert!(matches!(outcome, CompleteOutcome::Gone), "{outcome:?}");
    at.is_vacant().await;
}

/// What the lapsed reservation's own token is answered depends on whether the store can still tell
/// whose it was.
pub(super) async fn a_lapsed_id_refuses_anothers_result_that_asks_for_its_record(at: Scene) {
    at.reserve_once_more().await;
    at.lapse().await;
    let outcome = at.complete_if_there(&Owner::unknown(), b"result").await;
    assert!(matches!(outcome, CompleteOutcome::Gone), "{outcome:?}");
    at.is_vacant().await;
}

pub(super) async fn a_result_that_asks_for_its_record_is_recorded_on_it(at: Scene) {
    for lapses in [false, true] {
        let at = at.another();
        let owner = at.reserve(Guarantee::AtMostOnce).await;
        if lapses {
            at.lapse().await;
        }
        let outcome = at.complete_if_there(&owner, b"resolved").await;
        assert!(matches!(outcome, CompleteOutcome::Recorded), "{outcome:?}");
        at.stands_completed(&owner, b"resolved").await;
    }
}

pub(super) async fn of_many_concurrent_results_for_a_vacant_id_one_is_recorded(at: Scene) {
    for _ in 0..ROUNDS {
        let at = at.another();
        let answers = at
            .race(RACERS, |at, _| async move {
                let owner = Owner::unknown();
                let outcome = at.complete(&owner, owner.token().as_bytes()).await;
                (owner, outcome)
            })
            .await;
        let recorded: Vec<&Owner> = answers
            .iter()
            .filter(|(_, outcome)| matches!(outcome, CompleteOutcome::Recorded))
            .map(|(owner, _)| owner)
            .collect();
        assert_eq!(recorded.len(), 1, "results recorded in one race");
        at.stands_completed(recorded[0], recorded[0].token().as_bytes()).await;
    }
}

/// The owner whose lease lapsed finishes at the moment when others reserve.
pub(super) async fn a_late_result_and_the_next_reserve_do_not_both_win(at: Scene) {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let at = at.another();
        let late = at.reserve_once_more().await;
        rounds.push((at, late));
    }
    at.lapse().await;
    for (round, (at, late)) in rounds.into_iter().enumerate() {
        let wins = at
            .race(RACERS, |at, racer| {
                let late = late.clone();
                async move {
                    if racer == round % RACERS {
                        let outcome = at.complete(&late, b"late").await;
                        matches!(outcome, CompleteOutcome::Recorded)
                    } else {
                        let request = at.request(Guarantee::AtLeastOnce);
                        matches!(at.ask(&request).await, ReserveOutcome::Won)
                    }
                }
            })
            .await;
        let wins = wins.into_iter().filter(|won| *won).count();
        assert_eq!(wins, 1, "a late result and reserves that won");
    }
}
