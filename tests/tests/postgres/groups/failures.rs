//! A group that fails, whose answer is lost, or whose server goes away; and a member that does.

use std::time::Duration;

use futures::future::{AbortHandle, abortable, join_all};
use idempotent_core::backends::PostgresStore;
use idempotent_core::model::{Envelope, RecordId};
use idempotent_core::store::{Reserve, ReserveOutcome, State, Store, StoreErrorKind};
use idempotent_servers::{Postgres, Server, TcpProxy, require};
use idempotent_tests::{Attempt, SOON, until};

use super::setup::{
    attempts, grouping, groups_under_way, is_won, record_all, slow_down, started, transactions,
    win_all,
};
use crate::setup::{migrated, records};

#[tokio::test]
async fn only_the_member_that_the_server_refuses_fails() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    server
        .sql(
            "CREATE FUNCTION idempotent.refuse() RETURNS trigger LANGUAGE plpgsql AS
                 $$ BEGIN RAISE EXCEPTION 'refused'; END $$;
             CREATE TRIGGER refuse BEFORE INSERT ON idempotent.records
                 FOR EACH ROW WHEN (NEW.operation = 'shop::refused')
                 EXECUTE FUNCTION idempotent.refuse()",
        )
        .await;
    let attempts = attempts(63);
    let refused = RecordId::of("shop::refused", None, &"key").unwrap();
    let request = Reserve::new(&refused, Envelope::new("shop::refused"));
    let (won, refused) = futures::join!(win_all(&store, &attempts), store.reserve(&request));
    assert_eq!(won.len(), 63);
    assert!(refused.is_err(), "{refused:?}");
    let transactions = transactions(&server).await;
    assert!(transactions <= 6, "each half that was not to blame is one: {transactions}");
}

#[tokio::test]
async fn only_the_caller_of_an_unreadable_record_fails() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let attempts = attempts(20);
    let reservations = win_all(&store, &attempts).await;
    record_all(&store, &attempts, &reservations, b"result").await;
    let id: String = attempts[7].id.hash().iter().map(|byte| format!("{byte:02x}")).collect();
    let garble = format!("UPDATE idempotent.records SET record = '\\x00ff' WHERE id = '\\x{id}'");
    server.sql(&garble).await;
    let outcomes = join_all(attempts.iter().map(|attempt| attempt.reserve(&store))).await;
    for (at, outcome) in outcomes.iter().enumerate() {
        match outcome {
            Ok(ReserveOutcome::Taken(entry)) => assert_eq!(entry.state, State::Completed),
            Err(_) => assert_eq!(at, 7),
            Ok(other) => panic!("{other:?}"),
        }
    }
    assert!(outcomes[7].is_err());
}

#[tokio::test]
async fn a_group_whose_answer_was_lost_is_asked_for_again() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let proxy = TcpProxy::start(server.address()).await;
    let builder = PostgresStore::builder(server.url_at(proxy.address()))
        .response_timeout(SOON)
        .max_connections(1);
    let store = migrated(builder.sweep_every(None).never_alone()).await;
    // A statement takes several answers when a connection first prepares it.
    let warm_up = attempts(2);
    let reservations = win_all(&store, &warm_up).await;
    record_all(&store, &warm_up, &reservations, b"result").await;

    let attempts = attempts(20);
    let reservations = win_all(&store, &attempts).await;
    proxy.drop_next_reply();
    record_all(&store, &attempts, &reservations, b"result").await;
    assert!(!proxy.is_armed(), "nothing was lost");
    let outcomes = join_all(attempts.iter().map(|attempt| attempt.reserve(&store))).await;
    assert!(outcomes.iter().all(|outcome| matches!(outcome, Ok(ReserveOutcome::Taken(entry)) if entry.state == State::Completed)));
}

#[tokio::test]
async fn reserves_whose_answer_was_lost_have_won() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let proxy = TcpProxy::start(server.address()).await;
    let builder = PostgresStore::builder(server.url_at(proxy.address()))
        .response_timeout(SOON)
        .max_connections(2);
    let store = migrated(builder.sweep_every(None).never_alone()).await;
    win_all(&store, &attempts(2)).await;
    slow_down(&server, "INSERT", 0.1, "shop::charge").await;
    let attempts = attempts(20);
    let lose = async {
        until(|| async { groups_under_way(&server).await == 1 }).await;
        proxy.stall_replies();
        until(|| async { records(&server).await == 22 }).await;
        proxy.cut();
        proxy.resume();
    };
    let (won, ()) = futures::join!(win_all(&store, &attempts), lose);
    assert_eq!((won.len(), records(&server).await), (20, 22));
}

#[tokio::test]
async fn a_group_outlives_a_restart_of_the_server_half_way() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    // A loaded machine takes its time to start a server.
    let store = migrated(grouping(&server).response_timeout(Duration::from_secs(60))).await;
    slow_down(&server, "INSERT", 0.05, "shop::charge").await;
    let attempts = attempts(20);
    let restart = async {
        until(|| async { groups_under_way(&server).await == 1 }).await;
        server.restart().await;
        assert_eq!(records(&server).await, 0, "nothing was committed");
    };
    let (won, ()) = futures::join!(win_all(&store, &attempts), restart);
    assert_eq!((won.len(), records(&server).await), (20, 20));
}

#[tokio::test]
async fn members_that_are_dropped_take_nobody_with_them() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    slow_down(&server, "INSERT", 0.1, "shop::charge").await;
    let (dropped, others) = (attempts(10), attempts(10));
    // First in the queue, so the group is theirs if it is anybody's.
    let (dropping, handles): (Vec<_>, Vec<_>) =
        dropped.iter().map(|attempt| abortable(attempt.reserve(&store))).unzip();
    let drop_them = async {
        until(|| async { groups_under_way(&server).await == 1 }).await;
        handles.iter().for_each(AbortHandle::abort);
    };
    let all = futures::join!(join_all(dropping), win_all(&store, &others), drop_them);
    assert!(all.0.iter().all(Result::is_err), "they were dropped");
    assert_eq!((all.1.len(), records(&server).await), (10, 20), "what was sent took effect");
    assert_eq!(transactions(&server).await, 1);
}

#[tokio::test]
async fn a_member_that_was_dropped_is_not_sent_again() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    slow_down(&server, "INSERT", 0.1, "shop::charge").await;
    let (dropped, others) = (attempts(10), attempts(10));
    let (dropping, handles): (Vec<_>, Vec<_>) =
        dropped.iter().map(|attempt| abortable(attempt.reserve(&store))).unzip();
    // They end, and so are dropped, when they are aborted.
    let dropping = async { drop(join_all(dropping).await) };
    let drop_and_cut = async {
        until(|| async { groups_under_way(&server).await == 1 }).await;
        handles.iter().for_each(AbortHandle::abort);
        tokio::time::sleep(Duration::from_millis(100)).await;
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE query LIKE '%\"records_change\"%' AND pid <> pg_backend_pid()";
        server.sql(cut).await;
    };
    let all = futures::join!(dropping, win_all(&store, &others), drop_and_cut);
    assert_eq!((all.1.len(), records(&server).await), (10, 10));
}

#[tokio::test]
async fn while_the_server_is_gone_each_member_learns_it_in_time() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(grouping(&server).response_timeout(Duration::from_secs(3))).await;
    win_all(&store, &attempts(5)).await;
    server.kill();
    let attempts = attempts(20);
    let outcomes = join_all(attempts.iter().map(|attempt| attempt.reserve(&store))).await;
    for outcome in outcomes {
        let kind = outcome.expect_err("nobody answers").kind();
        assert!(matches!(kind, StoreErrorKind::Unavailable | StoreErrorKind::Timeout), "{kind:?}");
    }
    server.restart().await;
    // Each time another one: one whose answer came too late is taken.
    until(|| async { is_won(&Attempt::new().reserve(&store).await) }).await;
}
