//! Who is delayed by whom: nobody by a transaction of a caller, no replay by a commit, no renewal by a group.

use futures::future::join_all;
use idempotent_core::store::{Renew, RenewOutcome, ReserveOutcome, State, Store};
use idempotent_core::{Idempotency, Operation};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, secs, until};
use sqlx::Connection as _;
use sqlx::postgres::PgConnection;
use tokio::sync::oneshot;

use super::setup::{
    attempts, grouping, groups_under_way, record_all, slow_down, started, transactions, win_all,
};
use crate::setup::{migrated, number, patient};

/// Ids that a transaction has reserved, as calls within it do, until it is dropped.
async fn held(server: &Postgres, attempts: &[Attempt]) -> PgConnection {
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::raw_sql("BEGIN").execute(&mut connection).await.unwrap();
    for attempt in attempts {
        let mut first = [0; 8];
        first.copy_from_slice(&attempt.id.hash()[..8]);
        let lock = i64::from_be_bytes(first);
        let request = attempt.request();
        sqlx::query(
            "SELECT idempotent.records_reserve($1, $2, $3, $4, '1 day',
                 $5 # ('idempotent.records'::regclass::oid::bigint << 32), NULL)",
        )
        .bind(&attempt.id.hash()[..])
        .bind(&request.token().as_bytes()[..])
        .bind(attempt.id.operation())
        .bind(request.record().as_bytes())
        .bind(lock)
        .execute(&mut connection)
        .await
        .unwrap();
    }
    connection
}

#[tokio::test]
async fn a_key_that_a_transaction_holds_delays_nobody_else_of_its_group() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let key = Attempt::new();
    let holder = held(&server, std::slice::from_ref(&key)).await;
    let attempts = attempts(40);
    let (waits, ended) = oneshot::channel();
    let waiter = tokio::spawn({
        let store = store.clone();
        async move {
            let outcome = key.reserve(&store).await;
            let _ = waits.send(());
            outcome
        }
    });
    until(|| async {
        number(&server, "SELECT count(*) FROM pg_locks WHERE NOT granted").await == 1
    })
    .await;
    win_all(&store, &attempts).await;
    assert!(!waiter.is_finished(), "the key is held");
    drop(holder);
    ended.await.unwrap();
    assert!(matches!(waiter.await.unwrap(), Ok(ReserveOutcome::Won)));
    assert_eq!(transactions(&server).await, 2);
}

#[tokio::test]
async fn a_held_key_in_the_middle_of_a_group_leaves_the_group_whole() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let mut all = attempts(41);
    let key = all.pop().unwrap();
    let holder = held(&server, std::slice::from_ref(&key)).await;
    let waits = async {
        let others = win_all(&store, &all).await;
        drop(holder);
        others
    };
    let (outcome, others) = futures::join!(key.reserve(&store), waits);
    assert!(matches!(outcome, Ok(ReserveOutcome::Won)), "{outcome:?}");
    assert_eq!((others.len(), transactions(&server).await), (40, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn many_held_keys_leave_connections_for_everybody_else() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(grouping(&server).max_connections(4).response_timeout(secs(30))).await;
    let keys = attempts(20);
    let holder = held(&server, &keys).await;
    let waiters = tokio::spawn({
        let (store, keys) = (store.clone(), keys.clone());
        async move { join_all(keys.iter().map(|key| key.reserve(&store))).await }
    });
    until(|| async {
        number(&server, "SELECT count(*) FROM pg_locks WHERE NOT granted").await >= 2
    })
    .await;
    let attempts = attempts(50);
    let reservations = win_all(&store, &attempts).await;
    record_all(&store, &attempts, &reservations, b"result").await;
    assert!(!waiters.is_finished(), "the keys are held");
    drop(holder);
    for outcome in waiters.await.unwrap() {
        assert!(matches!(outcome, Ok(ReserveOutcome::Won)), "{outcome:?}");
    }
}

#[tokio::test]
async fn a_row_that_somebody_has_locked_delays_nobody_else_of_its_group() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(20);
    let reservations = win_all(&store, &attempts).await;
    let mut holder = PgConnection::connect(&server.url()).await.unwrap();
    let mut tx = holder.begin().await.unwrap();
    let lock = "SELECT FROM idempotent.records WHERE id = $1 FOR UPDATE";
    sqlx::query(lock).bind(&attempts[19].id.hash()[..]).execute(&mut *tx).await.unwrap();
    let others = async {
        record_all(&store, &attempts[..19], &reservations[..19], b"result").await;
        tx.rollback().await.unwrap();
    };
    let ((), ()) =
        futures::join!(attempts[19].record(&store, &reservations[19], b"result"), others);
    assert_eq!(transactions(&server).await, 2);
}

/// Only a transaction of somebody else's does that: those of callers hold a lock beforehand.
#[tokio::test]
async fn an_insert_that_stays_uncommitted_delays_others_by_a_tenth_of_the_time_they_have() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(8);
    let mut holder = PgConnection::connect(&server.url()).await.unwrap();
    let mut tx = holder.begin().await.unwrap();
    let insert = "INSERT INTO idempotent.records
        (lapses_at, retention, guarantee, id, token, operation, record)
        VALUES (now(), '1 day', 0, $1, '', '', '')";
    sqlx::query(insert).bind(&attempts[7].id.hash()[..]).execute(&mut *tx).await.unwrap();
    let others = async {
        win_all(&store, &attempts[..7]).await;
        tx.rollback().await.unwrap();
    };
    let (held, ()) = futures::join!(attempts[7].reserve(&store), others);
    assert!(matches!(held, Ok(ReserveOutcome::Won)), "{held:?}");
    assert_eq!(transactions(&server).await, 4, "the halves that were not to blame");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_waits_for_no_commit() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(grouping(&server).response_timeout(secs(30))).await;
    let done = attempts(20);
    let reservations = win_all(&store, &done).await;
    record_all(&store, &done, &reservations, b"result").await;
    slow_down(&server, "INSERT", 600.0, "shop::charge").await;
    let executing = tokio::spawn({
        let store = store.clone();
        async move {
            let attempts = attempts(60);
            join_all(attempts.iter().map(|attempt| attempt.reserve(&store))).await
        }
    });
    until(|| async { groups_under_way(&server).await >= 1 }).await;
    for outcome in join_all(done.iter().map(|attempt| attempt.reserve(&store))).await {
        let Ok(ReserveOutcome::Taken(entry)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(entry.state, State::Completed);
    }
    assert!(groups_under_way(&server).await >= 1 && !executing.is_finished());
    executing.abort();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_waits_for_no_group_however_slow() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(grouping(&server)).await;
    let slow: Vec<_> = (0..2)
        .map(|key: u8| idempotent_core::model::RecordId::of("shop::slow", None, &key).unwrap())
        .collect();
    let mut reservations = Vec::new();
    for id in &slow {
        let envelope = idempotent_core::model::Envelope::new("shop::slow");
        let request = idempotent_core::store::Reserve::new(id, envelope);
        store.reserve(&request).await.unwrap();
        reservations.push(request.record().clone());
    }
    let attempt = Attempt::new();
    let reservation = attempt.win(&store).await;
    // Connections for all of them: a renewal that finds none waits for one.
    join_all((0..6).map(|_| store.load(&attempt.id))).await;
    slow_down(&server, "UPDATE", 8.0, "shop::slow").await;
    let mut renewing = Vec::new();
    for (at, (id, reservation)) in slow.into_iter().zip(reservations).enumerate() {
        let store = store.clone();
        renewing.push(tokio::spawn(async move {
            store.renew(&Renew::new(&id, &reservation, secs(60))).await
        }));
        until(|| async { groups_under_way(&server).await == at + 1 }).await;
    }
    let outcome = attempt.renew(&store, &reservation).await.unwrap();
    assert_eq!(outcome, RenewOutcome::Renewed);
    assert!(renewing.iter().all(|slow| !slow.is_finished()), "it waited for a slow group");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_within_a_transaction_keeps_to_its_connection() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let engine = Idempotency::new(migrated(patient(&server).never_alone()).await);
    let operation = Operation::new("shop::charge");
    let mut connection = PgConnection::connect(&server.url()).await.unwrap();
    for expected in [1_u32, 1] {
        let mut tx = connection.begin().await.unwrap();
        let call = operation.key("1").engine(&engine);
        let call = call.returning::<Result<u32, idempotent_core::Error>>();
        let result = call.run_in(&mut *tx, async |_| Ok(1)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(result, expected);
    }
    assert_eq!(number(&server, "SELECT count(*) FROM idempotent.records").await, 1);
}
