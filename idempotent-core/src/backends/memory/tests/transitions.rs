//! The answer of each transition in each state.

use super::Guarantee::{AtLeastOnce, AtMostOnce};
use super::*;

const MOMENT: Duration = Duration::from_nanos(1);

#[tokio::test]
async fn a_second_caller_meets_the_reservation_and_learns_its_exact_lease() {
    let f = Fixture::new();
    let id = id(1);
    let first = f.won(&id, AtLeastOnce).await;
    f.clock.advance(Duration::from_nanos(12_345));

    let entry = taken(f.reserve(&reserve(&id, AtLeastOnce)).await);

    assert_eq!(entry.state, State::Reserved);
    assert_eq!(entry.record, first);
    assert_eq!(entry.remaining, Some(LEASE - Duration::from_nanos(12_345)));
}

#[tokio::test]
async fn a_repeated_reserve_has_won_and_does_not_extend_the_lease() {
    let f = Fixture::new();
    let id = id(1);
    let request = reserve(&id, AtLeastOnce);
    assert!(is_won(&f.reserve(&request).await));
    f.clock.advance(LEASE - MOMENT);

    assert!(is_won(&f.reserve(&request).await));

    assert_eq!(f.load(&id).await.unwrap().remaining, Some(MOMENT));
}

#[tokio::test]
async fn a_reserve_repeated_after_completion_meets_its_own_result() {
    let f = Fixture::new();
    let id = id(1);
    let request = reserve(&id, AtLeastOnce);
    assert!(is_won(&f.reserve(&request).await));
    f.complete(&id, request.record(), b"receipt").await;

    let entry = taken(f.reserve(&request).await);

    assert_eq!(entry.state, State::Completed);
    assert_eq!(entry.record.token(), request.token());
}

#[tokio::test]
async fn a_completed_record_replays_until_its_ttl_ends_and_not_a_moment_longer() {
    for guarantee in [AtLeastOnce, AtMostOnce] {
        let f = Fixture::new();
        let id = id(1);
        let reservation = f.won(&id, guarantee).await;
        f.complete(&id, &reservation, b"receipt").await;
        f.clock.advance(TTL - MOMENT);

        let entry = taken(f.reserve(&reserve(&id, guarantee)).await);
        assert_eq!(kept(&entry), b"receipt");
        assert_eq!(entry.remaining, Some(MOMENT));

        f.clock.advance(MOMENT);
        assert!(f.load(&id).await.is_none());
        assert!(is_won(&f.reserve(&reserve(&id, guarantee)).await));
    }
}

#[tokio::test]
async fn a_lapsed_reservation_under_at_least_once_is_vacant() {
    let f = Fixture::new();
    let id = id(1);
    let late = f.won(&id, AtLeastOnce).await;
    f.clock.advance(LEASE);

    assert_eq!(f.state(&id).await, Some(State::Lapsed));
    assert_eq!(f.renew(&id, &late).await, RenewOutcome::Lost);
    assert!(is_won(&f.reserve(&reserve(&id, AtLeastOnce)).await));
}

#[tokio::test]
async fn a_lapsed_reservation_under_at_most_once_refuses_until_its_retention_ends() {
    let f = Fixture::new();
    let id = id(1);
    let request = reserve(&id, AtMostOnce);
    assert!(is_won(&f.reserve(&request).await));
    f.clock.advance(LEASE);

    let entry = taken(f.reserve(&reserve(&id, AtMostOnce)).await);
    assert_eq!(entry.state, State::Indeterminate);
    assert_eq!(entry.remaining, Some(RETENTION));
    // Its own late owner is refused too, and so is a caller with a weaker guarantee.
    assert_eq!(taken(f.reserve(&request).await).state, State::Indeterminate);
    let weaker = taken(f.reserve(&reserve(&id, AtLeastOnce)).await);
    assert_eq!(weaker.state, State::Indeterminate);

    f.clock.advance(RETENTION - MOMENT);
    assert_eq!(f.load(&id).await.unwrap().remaining, Some(MOMENT));
    f.clock.advance(MOMENT);
    assert!(f.load(&id).await.is_none());
    assert!(is_won(&f.reserve(&reserve(&id, AtMostOnce)).await));
}

#[tokio::test]
async fn a_renewal_starts_the_lease_anew_by_this_token_alone() {
    let f = Fixture::new();
    let id = id(1);
    let owner = f.won(&id, AtMostOnce).await;
    f.clock.advance(LEASE - MOMENT);

    let stranger = reserve(&id, AtMostOnce).record().clone();
    assert_eq!(f.renew(&id, &stranger).await, RenewOutcome::Lost);
    assert_eq!(f.load(&id).await.unwrap().remaining, Some(MOMENT));
    assert_eq!(f.renew(&id, &owner).await, RenewOutcome::Renewed);
    assert_eq!(f.load(&id).await.unwrap().remaining, Some(LEASE));

    f.clock.advance(LEASE);
    assert_eq!(f.renew(&id, &owner).await, RenewOutcome::Lost);
    let indeterminate = f.load(&id).await.unwrap();
    assert_eq!(indeterminate.remaining, Some(RETENTION));
}

#[tokio::test]
async fn a_late_owner_records_where_nobody_took_over() {
    for (guarantee, late_by) in [
        (AtLeastOnce, Duration::ZERO),
        (AtLeastOnce, 10 * LEASE),
        (AtMostOnce, Duration::ZERO),
        (AtMostOnce, 2 * RETENTION),
    ] {
        let f = Fixture::new();
        let id = id(1);
        let late = f.won(&id, guarantee).await;
        f.clock.advance(LEASE + late_by);

        assert!(is_recorded(&f.complete(&id, &late, b"late").await));

        let entry = f.load(&id).await.unwrap();
        assert_eq!((entry.state, kept(&entry)), (State::Completed, &b"late"[..]));
        assert_eq!(entry.remaining, Some(TTL));
    }
}

#[tokio::test]
async fn a_late_owner_is_fenced_off_from_its_successor() {
    let f = Fixture::new();
    let id = id(1);
    let late = f.won(&id, AtLeastOnce).await;
    f.clock.advance(LEASE);
    let successor = f.won(&id, AtLeastOnce).await;

    f.release(&id, &late).await;
    assert_eq!(f.renew(&id, &late).await, RenewOutcome::Lost);
    let CompleteOutcome::Superseded(entry) = f.complete(&id, &late, b"late").await else {
        panic!("the successor's reservation was overwritten");
    };
    assert_eq!((entry.state, &entry.record), (State::Reserved, &successor));

    f.complete(&id, &successor, b"theirs").await;
    let CompleteOutcome::Superseded(entry) = f.complete(&id, &late, b"late").await else {
        panic!("the successor's result was overwritten");
    };
    assert_eq!(kept(&entry), b"theirs");
    assert_eq!(kept(&f.load(&id).await.unwrap()), b"theirs");
}

#[tokio::test]
async fn another_ones_lapsed_reservation_under_at_least_once_counts_as_vacant() {
    let f = Fixture::new();
    let id = id(1);
    let first = f.won(&id, AtLeastOnce).await;
    f.clock.advance(LEASE);
    f.won(&id, AtLeastOnce).await;
    f.clock.advance(LEASE);

    let record = first.completed(b"first");
    let cautious = Complete::new(&id, &first, &record, TTL).if_vacant(IfVacant::Refuse);
    let outcome = f.store.complete(&cautious).await.unwrap();
    assert!(matches!(outcome, CompleteOutcome::Gone));
    assert!(is_recorded(&f.complete(&id, &first, b"first").await));
    assert_eq!(kept(&f.load(&id).await.unwrap()), b"first");
}

#[tokio::test]
async fn another_ones_indeterminate_record_is_not_overwritten() {
    let f = Fixture::new();
    let id = id(1);
    f.won(&id, AtMostOnce).await;
    f.clock.advance(LEASE);

    let stranger = reserve(&id, AtMostOnce).record().clone();
    let outcome = f.complete(&id, &stranger, b"mine").await;

    let CompleteOutcome::Superseded(entry) = outcome else {
        panic!("it was overwritten");
    };
    assert_eq!(entry.state, State::Indeterminate);
}

#[tokio::test]
async fn completed_is_final() {
    for guarantee in [AtLeastOnce, AtMostOnce] {
        let f = Fixture::new();
        let id = id(1);
        let owner = f.won(&id, guarantee).await;
        f.complete(&id, &owner, b"first").await;
        f.clock.advance(LEASE);

        assert!(is_recorded(&f.complete(&id, &owner, b"second").await));
        assert_eq!(f.renew(&id, &owner).await, RenewOutcome::Lost);
        f.release(&id, &owner).await;
        let forced = Release::new(&id, &owner).including_indeterminate();
        f.store.release(&forced).await.unwrap();

        let entry = f.load(&id).await.unwrap();
        assert_eq!((entry.state, kept(&entry)), (State::Completed, &b"first"[..]));
        assert_eq!(entry.record.token(), owner.token());
        assert_eq!(entry.remaining, Some(TTL - LEASE));
    }
}

#[tokio::test]
async fn completing_a_vacant_id_is_up_to_the_request() {
    let f = Fixture::new();
    let id = id(1);
    let reservation = reserve(&id, AtLeastOnce).record().clone();
    let record = reservation.completed(b"result");

    let refusing = Complete::new(&id, &reservation, &record, TTL).if_vacant(IfVacant::Refuse);
    let outcome = f.store.complete(&refusing).await.unwrap();
    assert!(matches!(outcome, CompleteOutcome::Gone));
    assert!(f.load(&id).await.is_none());

    assert!(is_recorded(&f.complete(&id, &reservation, b"result").await));
    assert_eq!(kept(&f.load(&id).await.unwrap()), b"result");
}

#[tokio::test]
async fn a_release_makes_its_own_reservation_vacant_and_no_other() {
    let f = Fixture::new();
    let id = id(1);
    let owner = f.won(&id, AtMostOnce).await;

    f.release(&id, reserve(&id, AtMostOnce).record()).await;
    assert_eq!(f.state(&id).await, Some(State::Reserved));

    f.release(&id, &owner).await;
    assert!(f.load(&id).await.is_none());
    assert_eq!(f.unfinished(), 0);
    f.release(&id, &owner).await;
}

#[tokio::test]
async fn releasing_an_indeterminate_record_needs_saying_so() {
    let f = Fixture::new();
    let id = id(1);
    let owner = f.won(&id, AtMostOnce).await;
    f.clock.advance(LEASE);

    f.release(&id, &owner).await;
    assert_eq!(f.state(&id).await, Some(State::Indeterminate));

    let forced = Release::new(&id, &owner).including_indeterminate();
    f.store.release(&forced).await.unwrap();
    assert!(f.load(&id).await.is_none());
}

#[tokio::test]
async fn a_purge_removes_whatever_stands_there_and_says_whether_something_did() {
    let f = Fixture::new();
    for guarantee in [AtLeastOnce, AtMostOnce] {
        let id = id(1);
        assert!(!f.store.purge(&id).await.unwrap());

        f.won(&id, guarantee).await;
        assert!(f.store.purge(&id).await.unwrap());
        assert!(f.load(&id).await.is_none());

        let reservation = f.won(&id, guarantee).await;
        f.complete(&id, &reservation, b"result").await;
        assert!(f.store.purge(&id).await.unwrap());
        assert!(!f.store.purge(&id).await.unwrap());
        assert!(is_won(&f.reserve(&reserve(&id, guarantee)).await));
        f.store.purge(&id).await.unwrap();
    }
}

#[tokio::test]
async fn a_replay_does_not_make_the_record_of_its_request() {
    let f = Fixture::new();
    let id = id(1);
    let reservation = f.won(&id, AtLeastOnce).await;
    f.complete(&id, &reservation, b"result").await;

    let request = reserve(&id, AtLeastOnce);
    taken(f.reserve(&request).await);

    assert!(!request.is_written());
}

#[tokio::test]
async fn debug_shows_counts_and_no_records() {
    let f = Fixture::new();
    let reservation = f.won(&id(1), AtLeastOnce).await;
    f.complete(&id(1), &reservation, b"secret").await;
    f.won(&id(2), AtLeastOnce).await;

    let shown = format!("{:?}", f.store);

    assert!(shown.contains("unfinished: 1"), "{shown}");
    assert!(!shown.contains("charge"), "{shown}");
}

#[tokio::test]
async fn what_is_answered_at_once_is_what_would_be_awaited() {
    let f = Fixture::new();
    let id = id(1);
    let (first, second) = (reserve(&id, AtLeastOnce), reserve(&id, AtLeastOnce));

    let won = f.store.try_reserve(&first).unwrap().unwrap();
    let busy = taken(f.store.try_reserve(&second).unwrap().unwrap());
    let record = first.record().completed(b"result");
    let complete = Complete::new(&id, first.record(), &record, LEASE);
    let recorded = f.store.try_complete(&complete).unwrap().unwrap();

    assert!(is_won(&won));
    assert_eq!(busy.record, *first.record());
    assert!(matches!(recorded, CompleteOutcome::Recorded));
    assert_eq!(taken(f.reserve(&second).await).record, record);
    assert_eq!(f.store.completed(&id).unwrap().record, record);
}
