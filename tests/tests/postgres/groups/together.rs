//! What steps of a group share: a commit, and nothing else.

use std::collections::HashSet;

use futures::future::join_all;
use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{ReserveOutcome, State, Store};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, SOON, until, wakes};
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::timeout;

use super::setup::{attempts, grouping, is_won, record_all, started, transactions, win_all};
use crate::run::{begin_all, write_all};
use crate::setup::{known_waiter, migrated, number, patient, records};

#[tokio::test]
async fn steps_of_each_kind_that_arrive_together_are_one_commit() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(50);
    let reservations = win_all(&store, &attempts).await;
    assert_eq!((records(&server).await, transactions(&server).await), (50, 1), "reserves");
    let renewals = attempts.iter().zip(&reservations);
    join_all(renewals.map(|(attempt, reservation)| attempt.renew(&store, reservation))).await;
    assert_eq!(transactions(&server).await, 1, "renewals");
    record_all(&store, &attempts[..25], &reservations[..25], b"result").await;
    assert_eq!(transactions(&server).await, 2, "results, and renewals");
    let commits = "SELECT xact_commit FROM pg_stat_database WHERE datname = 'postgres'";
    let before = number(&server, commits).await;
    let rest = attempts[25..].iter().zip(&reservations[25..]);
    join_all(rest.map(|(attempt, reservation)| attempt.release(&store, reservation))).await;
    assert_eq!(records(&server).await, 25);
    store.close().await;
    until(|| async { number(&server, commits).await > before }).await;
    let outcomes = join_all(attempts[..25].iter().map(|attempt| async {
        let store = migrated(grouping(&server)).await;
        attempt.reserve(&store).await
    }))
    .await;
    for outcome in outcomes {
        let Ok(ReserveOutcome::Taken(entry)) = outcome else { panic!("it was recorded") };
        assert_eq!(entry.state, State::Completed);
    }
}

#[tokio::test]
async fn a_step_that_is_alone_is_no_group_and_groups_are_for_pools_that_ask() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    migrated(patient(&server)).await.close().await;
    let pool = PgPoolOptions::new().max_connections(4).connect(&server.url()).await.unwrap();
    let pooled = || PostgresStore::builder(pool.clone()).response_timeout(SOON);
    let cases = [(patient(&server), false), (pooled(), true)];
    for (builder, all_at_once) in cases {
        server.sql("TRUNCATE idempotent.records").await;
        let store = builder.sweep_every(None).connect().await.unwrap();
        let attempts = attempts(10);
        if all_at_once {
            win_all(&store, &attempts).await;
        } else {
            for attempt in &attempts {
                attempt.win(&store).await;
            }
        }
        assert_eq!(transactions(&server).await, 10);
    }
    server.sql("TRUNCATE idempotent.records").await;
    let builder = pooled().group_commits(true).sweep_every(None);
    win_all(&builder.connect().await.unwrap(), &attempts(30)).await;
    let transactions = transactions(&server).await;
    assert!(transactions < 10, "two are alone at first, and the others in groups: {transactions}");
}

#[tokio::test]
async fn at_other_isolation_levels_every_step_is_taken_alone() {
    require!(Server::Postgres);
    let server =
        Postgres::builder().arg("default_transaction_isolation", "repeatable read").start().await;
    migrated(patient(&server)).await.close().await;
    let pool = PgPoolOptions::new().max_connections(4).connect(&server.url()).await.unwrap();
    let pooled = || PostgresStore::builder(pool.clone()).response_timeout(SOON);
    let builder = pooled().group_commits(true).never_alone();
    let store = builder.sweep_every(None).connect().await.unwrap();
    let attempts = attempts(10);
    let reservations = win_all(&store, &attempts).await;
    assert_eq!(transactions(&server).await, 10);
    record_all(&store, &attempts, &reservations, b"result").await;
    assert_eq!(transactions(&server).await, 10);

    // Another store's first group is one of steps that are written.
    let runs = begin_all(&store, 10).await;
    let builder = pooled().group_commits(true).never_alone();
    write_all(&builder.sweep_every(None).connect().await.unwrap(), &runs, "charge").await;
    let written = "SELECT count(DISTINCT xmin::text) FROM idempotent.records_steps";
    assert_eq!(number(&server, written).await, 10);
}

#[tokio::test]
async fn of_requests_for_one_id_that_arrive_together_one_wins() {
    require!(Server::Postgres);
    let (_server, store) = started().await;
    let attempts = attempts(40);
    let requests: Vec<_> = attempts.iter().chain(&attempts).chain(&attempts).collect();
    let outcomes = join_all(requests.iter().map(|attempt| attempt.reserve(&store))).await;
    let mut winners = HashSet::new();
    for (attempt, outcome) in requests.iter().zip(&outcomes) {
        match outcome {
            Ok(ReserveOutcome::Won) => assert!(winners.insert(*attempt.id.hash()), "two winners"),
            Ok(ReserveOutcome::Taken(entry)) => assert_eq!(entry.state, State::Reserved),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(winners.len(), 40);
}

#[tokio::test]
async fn one_of_many_takes_a_record_that_is_over() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let other = migrated(grouping(&server)).await;
    let attempts = attempts(30);
    win_all(&store, &attempts).await;
    for over in ["lapses_at = now()", "expires_at = now(), lapses_at = NULL"] {
        server.sql(&format!("UPDATE idempotent.records SET {over}")).await;
        let ours = join_all(attempts.iter().map(|attempt| attempt.reserve(&store)));
        let theirs = join_all(attempts.iter().rev().map(|attempt| attempt.reserve(&other)));
        let (ours, theirs) = futures::join!(ours, theirs);
        for (ours, theirs) in ours.iter().zip(theirs.iter().rev()) {
            assert!(ours.is_ok() && theirs.is_ok(), "{ours:?} {theirs:?}");
            assert!(is_won(ours) != is_won(theirs), "{over}: {ours:?} {theirs:?}");
        }
    }
}

/// Each write takes its time, so the groups of the two meet half way.
#[tokio::test(flavor = "multi_thread")]
async fn groups_of_two_processes_in_opposite_order_never_deadlock() {
    require!(Server::Postgres);
    let server = Postgres::builder().arg("deadlock_timeout", "50ms").start().await;
    let stores = [migrated(grouping(&server)).await, migrated(grouping(&server)).await];
    super::setup::slow_down(&server, "INSERT", 0.01, "shop::charge").await;
    let mut attempts = attempts(40);
    attempts.sort_by_key(|attempt| *attempt.id.hash());
    let one = join_all(attempts.iter().map(|attempt| attempt.reserve(&stores[0])));
    let other = join_all(attempts.iter().rev().map(|attempt| attempt.reserve(&stores[1])));
    let (one, other) = futures::join!(one, other);
    for (one, other) in one.iter().zip(other.iter().rev()) {
        assert!(is_won(one) != is_won(other), "{one:?} {other:?}");
    }
    drop(stores);
    let others = "SELECT count(*) FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()";
    until(|| async { number(&server, others).await == 0 }).await;
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = 'postgres'";
    assert_eq!(number(&server, deadlocks).await, 0);
}

#[tokio::test]
async fn of_a_group_those_are_told_of_that_somebody_waits_for() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let other = migrated(grouping(&server)).await;
    let attempts = attempts(10);
    let reservations = win_all(&store, &attempts).await;
    let waiter = known_waiter(&server, &other, &attempts[4], &reservations[4]).await;
    let mut listener = PgListener::connect(&server.url()).await.unwrap();
    listener.listen("idempotent.records").await.unwrap();
    record_all(&store, &attempts, &reservations, b"result").await;
    wakes(waiter).await;
    store.purge(&attempts[0].id).await.unwrap();
    let mut said = Vec::new();
    while said.last().is_none_or(|last: &String| !last.starts_with('p')) {
        let heard = timeout(SOON, listener.recv()).await.unwrap().unwrap();
        said.push(heard.payload().to_owned());
    }
    let hash: String = attempts[4].id.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(said[..said.len() - 1], [format!("d{hash}")]);
}

#[tokio::test]
async fn a_member_finds_its_own_reservation_again_and_a_late_owner_none() {
    require!(Server::Postgres);
    let (_server, store) = started().await;
    let (ours, others) = (Attempt::new(), attempts(5));
    let request = ours.request();
    let first = store.reserve(&request).await;
    let (again, _) = futures::join!(store.reserve(&request), win_all(&store, &others));
    assert!(is_won(&first) && is_won(&again), "{first:?} {again:?}");
    let late = ours.request().record().clone();
    assert!(matches!(
        ours.renew(&store, &late).await.unwrap(),
        idempotent_core::store::RenewOutcome::Lost
    ));
    ours.release(&store, &late).await.unwrap();
    assert!(matches!(
        ours.complete(&store, &late, b"late").await.unwrap(),
        idempotent_core::store::CompleteOutcome::Superseded(_)
    ));
}
