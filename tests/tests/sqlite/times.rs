//! The machine's clock: what a jump of it does, and what deadlines of every length do.

use std::time::Duration;

use idempotent_core::model::{Envelope, Guarantee};
use idempotent_core::store::{
    Complete, CompleteOutcome, RenewOutcome, Reserve, ReserveOutcome, State, Store,
};
use idempotent_tests::{Attempt, fresh_id};

use super::database::Database;

/// As if the clock had been set forward by so many seconds, or back.
async fn clock_jumps(database: &Database, seconds: i64) {
    database
        .run(&format!(
            "UPDATE idempotent_records
         SET lapses_at = lapses_at - {seconds} * 1000, expires_at = expires_at - {seconds} * 1000"
        ))
        .await;
}

#[tokio::test]
async fn a_clock_set_forward_ends_leases_and_their_owners_are_fenced() {
    let database = Database::new();
    let store = database.store().await;
    let attempt = Attempt::new();
    let first = attempt.win(&store).await;
    clock_jumps(&database, 3600).await;
    let second = attempt.win(&store).await;
    assert_eq!(attempt.renew(&store, &first).await.unwrap(), RenewOutcome::Lost);
    attempt.release(&store, &first).await.unwrap();
    let late = attempt.complete(&store, &first, b"first").await.unwrap();
    assert!(matches!(late, CompleteOutcome::Superseded(_)), "{late:?}");
    attempt.record(&store, &second, b"second").await;
}

#[tokio::test]
async fn a_clock_set_forward_makes_calls_at_most_once_indeterminate_and_their_owners_complete_them()
{
    let database = Database::new();
    let store = database.store().await;
    let attempt = Attempt::at_most_once();
    let owner = attempt.win(&store).await;
    clock_jumps(&database, 3600).await;
    let ReserveOutcome::Taken(entry) = attempt.reserve(&store).await.unwrap() else {
        panic!("nobody knows whether it happened");
    };
    assert_eq!(entry.state, State::Indeterminate);
    attempt.record(&store, &owner, b"receipt").await;
}

#[tokio::test]
async fn a_clock_set_back_makes_leases_last_longer_until_they_are_renewed() {
    let database = Database::new();
    let store = database.store().await;
    let attempt = Attempt::new();
    let owner = attempt.win(&store).await;
    clock_jumps(&database, -3600).await;
    let remaining = store.load(&attempt.id).await.unwrap().unwrap().remaining.unwrap();
    assert!(remaining > Duration::from_secs(3000), "{remaining:?}");
    assert_eq!(attempt.renew(&store, &owner).await.unwrap(), RenewOutcome::Renewed);
    let remaining = store.load(&attempt.id).await.unwrap().unwrap().remaining.unwrap();
    assert!(remaining <= Attempt::LEASE, "{remaining:?}");
    attempt.record(&store, &owner, b"receipt").await;
}

#[tokio::test]
async fn settings_and_deadlines_without_end_do_no_harm() {
    let database = Database::new();
    let builder = database
        .builder()
        .response_timeout(Duration::MAX)
        .sweep_every(Duration::MAX)
        .wait_pauses(Duration::MAX, Duration::MAX)
        .max_connections(0);
    let store = builder.connect().await.unwrap();
    let id = fresh_id();
    let mut envelope = Envelope::new(id.operation());
    (envelope.lease, envelope.retention) = (Duration::MAX, Duration::MAX);
    envelope.guarantee = Guarantee::AtMostOnce;
    let request = Reserve::new(&id, envelope);
    assert!(matches!(store.reserve(&request).await.unwrap(), ReserveOutcome::Won));
    let reservation = request.record();
    let record = reservation.completed(b"receipt");
    let complete = Complete::new(&id, reservation, &record, Duration::MAX);
    let outcome = store.complete(&complete).await.unwrap();
    assert!(matches!(outcome, CompleteOutcome::Recorded));
    assert_eq!(store.sweep().await.unwrap(), 0);
    assert!(store.load(&id).await.unwrap().is_some());
}
