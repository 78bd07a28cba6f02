//! Completed records that are replaced together, as a purge of many replaces them.

use std::time::Duration;

use futures::future::join_all;
use idempotent_core::backends::PostgresStore;
use idempotent_core::model::{Envelope, NotKept, Outcome, Record};
use idempotent_core::store::{Correct, CorrectOutcome, Store};
use idempotent_servers::{Postgres, Server, TcpProxy, require};
use idempotent_tests::{Attempt, SOON};

use super::setup::{attempts, record_all, started, transactions, win_all};
use crate::setup::migrated;

const KEPT: Duration = Duration::from_secs(60);

fn empty(seen: &Record) -> Record {
    without_result(seen, NotKept::Withheld)
}

fn without_result(seen: &Record, why: NotKept) -> Record {
    let envelope = Envelope::new(seen.operation());
    Record::reserved(&envelope, seen.token()).tombstone(why)
}

/// Replaces each that was seen by an empty one, all at once.
async fn correct_all<S: Store>(
    store: &S,
    attempts: &[Attempt],
    seen: &[Record],
) -> Vec<CorrectOutcome> {
    let all = attempts.iter().zip(seen).map(|(attempt, seen)| async {
        let empty = empty(seen);
        store.correct(&Correct::new(&attempt.id, seen, &empty, KEPT)).await.unwrap()
    });
    join_all(all).await
}

async fn outcome_of<S: Store>(store: &S, attempt: &Attempt) -> bool {
    let entry = store.load(&attempt.id).await.unwrap().unwrap();
    matches!(entry.record.outcome(), Outcome::Kept(_))
}

#[tokio::test]
async fn of_corrections_that_arrive_together_each_is_of_the_record_that_was_seen_or_none() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(50);
    let reservations = win_all(&store, &attempts).await;
    record_all(&store, &attempts, &reservations, b"result").await;
    let result = |reservation: &Record| reservation.completed(b"result");
    let mut seen: Vec<_> = reservations.iter().map(result).collect();
    // The last ten are no longer what was seen.
    for (seen, reservation) in seen.iter_mut().zip(&reservations).skip(40) {
        *seen = reservation.completed(b"another");
    }
    let outcomes = correct_all(&store, &attempts, &seen).await;
    assert_eq!(outcomes[..40], [CorrectOutcome::Corrected; 40]);
    assert_eq!(outcomes[40..], [CorrectOutcome::Changed; 10]);
    assert!(!outcome_of(&store, &attempts[39]).await && outcome_of(&store, &attempts[40]).await);
    assert_eq!(transactions(&server).await, 2, "of the results, and of what replaced them");
}

#[tokio::test]
async fn a_record_that_somebody_has_locked_holds_up_no_other_correction() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(20);
    let reservations = win_all(&store, &attempts).await;
    record_all(&store, &attempts, &reservations, b"result").await;
    let seen: Vec<_> = reservations.iter().map(|it| it.completed(b"result")).collect();
    let pool = sqlx::PgPool::connect(&server.url()).await.unwrap();
    let mut transaction = pool.begin().await.unwrap();
    let lock = "SELECT 1 FROM idempotent.records WHERE id = $1 FOR UPDATE";
    let id = &attempts[0].id.hash()[..];
    sqlx::query(lock).bind(id).execute(&mut *transaction).await.unwrap();
    let locked = correct_all(&store, &attempts[..1], &seen[..1]);
    let others = async {
        let outcomes = correct_all(&store, &attempts[1..], &seen[1..]).await;
        transaction.rollback().await.unwrap();
        outcomes
    };
    let (locked, others) = futures::join!(locked, others);
    assert_eq!(others, [CorrectOutcome::Corrected; 19]);
    assert_eq!(locked, [CorrectOutcome::Corrected], "it waits until the lock is gone");
}

#[tokio::test]
async fn corrections_whose_answer_was_lost_are_asked_for_again_and_have_been_made() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let proxy = TcpProxy::start(server.address()).await;
    let builder = PostgresStore::builder(server.url_at(proxy.address()))
        .response_timeout(SOON)
        .max_connections(1);
    let store = migrated(builder.sweep_every(None).never_alone()).await;
    let attempts = attempts(22);
    let reservations = win_all(&store, &attempts).await;
    record_all(&store, &attempts, &reservations, b"result").await;
    let seen: Vec<_> = reservations.iter().map(|it| it.completed(b"result")).collect();
    // A statement takes several answers when a connection first prepares it.
    correct_all(&store, &attempts[..2], &seen[..2]).await;
    proxy.drop_next_reply();
    let outcomes = correct_all(&store, &attempts[2..], &seen[2..]).await;
    assert!(!proxy.is_armed(), "nothing was lost");
    assert_eq!(outcomes, [CorrectOutcome::Corrected; 20]);
}

#[tokio::test]
async fn a_record_that_has_expired_is_not_brought_back_by_a_correction() {
    require!(Server::Postgres);
    let (_server, store) = started().await;
    let attempts = attempts(10);
    let reservations = win_all(&store, &attempts).await;
    record_all(&store, &attempts, &reservations, b"result").await;
    let seen: Vec<_> = reservations.iter().map(|it| it.completed(b"result")).collect();
    let empties: Vec<_> = seen.iter().map(empty).collect();
    let all = attempts.iter().zip(seen.iter().zip(&empties));
    let expire = all.map(|(attempt, (seen, empty))| {
        let store = &store;
        async move {
            let request = Correct::new(&attempt.id, seen, empty, Duration::from_millis(1));
            store.correct(&request).await.unwrap()
        }
    });
    assert_eq!(join_all(expire).await, [CorrectOutcome::Corrected; 10]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let outcomes = correct_all(&store, &attempts, &empties).await;
    assert_eq!(outcomes, [CorrectOutcome::Changed; 10]);
    assert!(store.load(&attempts[0].id).await.unwrap().is_none());
}

#[tokio::test]
async fn of_two_corrections_of_one_record_that_arrive_together_one_is_made() {
    require!(Server::Postgres);
    let (_server, store) = started().await;
    let attempts = attempts(10);
    let reservations = win_all(&store, &attempts).await;
    record_all(&store, &attempts, &reservations, b"result").await;
    let seen: Vec<_> = reservations.iter().map(|it| it.completed(b"result")).collect();
    let others = attempts.iter().zip(&seen).map(|(attempt, seen)| {
        let store = &store;
        async move {
            let other = without_result(seen, NotKept::TooLarge);
            store.correct(&Correct::new(&attempt.id, seen, &other, KEPT)).await.unwrap()
        }
    });
    let both = futures::join!(correct_all(&store, &attempts, &seen), join_all(others));
    for pair in both.0.iter().zip(&both.1) {
        let one = (&CorrectOutcome::Corrected, &CorrectOutcome::Changed);
        assert!(pair == one || pair == (one.1, one.0), "{pair:?}");
    }
}
