//! Steps that are written to the journals of their calls, in groups: each as it would be alone.

use futures::future::join_all;
use idempotent_core::backends::PostgresStore;
use idempotent_core::store::{
    CompleteOutcome, Replaces, ResumeOutcome, Store, WriteStep, WriteStepOutcome,
};
use idempotent_servers::{Postgres, Server, TcpProxy, require};
use idempotent_tests::{Attempt, until};
use sqlx::Connection as _;
use sqlx::postgres::{PgConnection, PgPoolOptions};

use super::setup::{attempts, grouping, started, win_all};
use crate::run::{BEGUN, RECORDED, Run, TRIED, begin_all, entry, write_all};
use crate::setup::{migrated, number};
use crate::statements::scans;

/// How many transactions wrote the steps as they are.
async fn transactions(server: &Postgres) -> usize {
    number(server, "SELECT count(DISTINCT xmin::text) FROM idempotent.records_steps").await
}

async fn steps(server: &Postgres) -> usize {
    number(server, "SELECT count(*) FROM idempotent.records_steps").await
}

/// From now on the server does this before it writes a step with such a result.
async fn before_a_step(server: &Postgres, result: &str, action: &str) {
    server
        .sql(&format!(
            "CREATE FUNCTION idempotent.intrude() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 {action}; RETURN NEW; END $$;
             CREATE TRIGGER intrude BEFORE INSERT ON idempotent.records_steps
                 FOR EACH ROW WHEN (substr(NEW.entry, 70) = '{result}')
                 EXECUTE FUNCTION idempotent.intrude()"
        ))
        .await;
}

/// Lets the lease of every call lapse.
async fn lapse(server: &Postgres) {
    server.sql("UPDATE idempotent.records SET lapses_at = now() WHERE expires_at IS NULL").await;
}

#[tokio::test]
async fn steps_are_one_commit_with_the_results_of_other_calls_while_others_are_reserved() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let mut runs = begin_all(&store, 60).await;
    let done = runs.split_off(40);
    write_all(&store, &done, "hold").await;
    let reserves = attempts(20);
    let results = done.iter().map(|run| run.attempt.record(&store, &run.record, b"result"));
    let (won, _, ()) = futures::join!(
        win_all(&store, &reserves),
        join_all(results),
        write_all(&store, &runs, "charge")
    );
    assert_eq!((won.len(), steps(&server).await), (20, 40), "journals end with their calls");
    let written = |records| {
        format!(
            "SELECT count(DISTINCT xmin::text) FROM (SELECT xmin FROM idempotent.records {records}
             UNION ALL SELECT xmin FROM idempotent.records_steps) AS written"
        )
    };
    let with_results = written("WHERE expires_at IS NOT NULL");
    assert_eq!(number(&server, &with_results).await, 1);
    assert!(number(&server, &written("")).await <= 2, "reserves look first");
}

#[tokio::test]
async fn joined_steps_of_one_call_leave_together_and_mark_its_reservation_once() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let run = Run::begin(&store, Attempt::new()).await;
    // As of a call with an input that stood there before.
    server.sql("UPDATE idempotent.records SET due_at = now()").await;
    let (begun, recorded) = (entry(BEGUN, b""), entry(RECORDED, b"result"));
    let (written, begun) = futures::join!(
        join_all(["a", "b", "c"].map(|name| run.write(&store, name, &recorded))),
        join_all(["d", "e", "f"].map(|name| run.start(&store, name, &begun))),
    );
    for written in written.into_iter().chain(begun) {
        assert_eq!(written.unwrap(), WriteStepOutcome::Written);
    }
    assert_eq!((transactions(&server).await, run.steps(&store).await.len()), (1, 6));
    let marked = "SELECT count(*) FROM idempotent.records
        WHERE guarantee = 3 AND retention = '1 hour' AND due_at IS NULL";
    assert_eq!(number(&server, marked).await, 1);
}

/// While a group has locked the call's row, another group could take no step of it.
#[tokio::test(flavor = "multi_thread")]
async fn joined_steps_of_one_call_that_are_too_many_for_one_group_leave_in_few() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let run = Run::begin(&store, Attempt::new()).await;
    // Connections for all of them, and groups that are under way for as long as others are.
    join_all((0..6).map(|_| run.steps(&store))).await;
    before_a_step(&server, "slow", "PERFORM pg_sleep(0.001)").await;
    let (names, slow) = ((0..300).map(|n| n.to_string()), entry(RECORDED, b"slow"));
    let names: Vec<_> = names.collect();
    for written in join_all(names.iter().map(|name| run.write(&store, name, &slow))).await {
        assert_eq!(written.unwrap(), WriteStepOutcome::Written);
    }
    let transactions = transactions(&server).await;
    assert!(transactions <= 10, "{transactions}");
}

/// Each locks the rows in an order of its own, up to one that somebody else has locked.
#[tokio::test(flavor = "multi_thread")]
async fn groups_of_two_processes_with_the_same_calls_do_not_wait_for_each_other() {
    require!(Server::Postgres);
    let server = Postgres::builder().arg("deadlock_timeout", "50ms").start().await;
    let stores = [migrated(grouping(&server)).await, grouping(&server).connect().await.unwrap()];
    let mut runs = begin_all(&stores[0], 40).await;
    write_all(&stores[0], &runs, "hold").await;
    runs.sort_by_key(|run| *run.step("charge").as_bytes());
    let mut holder = PgConnection::connect(&server.url()).await.unwrap();
    let mut tx = holder.begin().await.unwrap();
    let lock = "SELECT FROM idempotent.records WHERE id = $1 FOR UPDATE";
    sqlx::query(lock).bind(&runs[20].attempt.id.hash()[..]).execute(&mut *tx).await.unwrap();
    let release = async {
        let waits = "SELECT count(*) FROM pg_locks WHERE NOT granted";
        until(|| async { number(&server, waits).await == 2 }).await;
        tx.rollback().await.unwrap();
    };
    futures::join!(
        write_all(&stores[0], &runs, "charge"),
        write_all(&stores[1], &runs, "ship"),
        release
    );
    for store in &stores {
        store.close().await;
    }
    drop(holder);
    // A server counts what its connections did once they have ended.
    scans(&server).await;
    let deadlocks = "SELECT sum(deadlocks) FROM pg_stat_database";
    assert_eq!(number(&server, deadlocks).await, 0);
    assert_eq!(steps(&server).await, 120);
}

/// Without the lock on its reservation the successor would load the journal before the group is committed.
#[tokio::test(flavor = "multi_thread")]
async fn a_late_owners_step_that_a_group_has_not_committed_is_not_missed_by_its_successors_load() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let runs = begin_all(&store, 10).await;
    write_all(&store, &runs, "hold").await;
    lapse(&server).await;
    before_a_step(&server, "slow", "PERFORM pg_sleep(1)").await;
    let (late, next) = (runs[4].clone(), runs[4].next());
    let others = tokio::spawn({
        let (store, others) = (store.clone(), [&runs[..4], &runs[5..]].concat());
        async move {
            let written = futures::join!(write_all(&store, &others, "charge"), async {
                late.write(&store, "charge", &entry(RECORDED, b"slow")).await.unwrap()
            });
            assert_eq!(written.1, WriteStepOutcome::Written);
        }
    });
    // Then the row of its reservation is locked.
    let writes = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
    until(|| async { number(&server, writes).await == 1 }).await;
    assert!(matches!(runs[4].resume(&store, &next).await, ResumeOutcome::Won));
    let loaded = next.steps(&store).await;
    assert!(loaded.contains(&(next.step("charge"), entry(RECORDED, b"slow"))), "{loaded:?}");
    others.await.unwrap();
}

#[tokio::test]
async fn a_fenced_run_writes_nothing_in_the_group_of_its_successor() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let fenced = Run::begin(&store, Attempt::new()).await;
    write_all(&store, std::slice::from_ref(&fenced), "hold").await;
    lapse(&server).await;
    let next = fenced.next();
    assert!(matches!(fenced.resume(&store, &next).await, ResumeOutcome::Won));
    let (entry, also) = (entry(RECORDED, b"result"), [(fenced.step("pack"), entry(TRIED, b""))]);
    let (charge, journal) = (fenced.step("charge"), store.journal().unwrap());
    let late = WriteStep::new(&fenced.attempt.id, &fenced.record, &charge, &entry).also(&also);
    let (late, written) =
        futures::join!(journal.write_step(&late), next.write(&store, "ship", &entry));
    assert_eq!(late.unwrap(), WriteStepOutcome::Fenced);
    assert_eq!(written.unwrap(), WriteStepOutcome::Written);
    assert_eq!(next.steps(&store).await.len(), 2);
}

#[tokio::test]
async fn a_step_begins_too_late_beside_one_that_its_late_run_may_still_write() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let run = Run::begin(&store, Attempt::new()).await;
    lapse(&server).await;
    let (begun, recorded) = (entry(BEGUN, b""), entry(RECORDED, b"result"));
    let (started, written) =
        futures::join!(run.start(&store, "pay", &begun), run.write(&store, "charge", &recorded));
    assert_eq!(started.unwrap(), WriteStepOutcome::Fenced);
    assert_eq!(written.unwrap(), WriteStepOutcome::Written);
    assert_eq!(run.steps(&store).await, [(run.step("charge"), recorded)]);
}

#[tokio::test]
async fn a_result_ends_the_journal_for_the_steps_of_its_group_too() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let runs = begin_all(&store, 10).await;
    write_all(&store, &runs[..5], "hold").await;
    let entry = entry(RECORDED, b"late");
    let late = join_all(runs.iter().map(|run| run.write(&store, "charge", &entry)));
    let results = runs.iter().map(|run| run.attempt.complete(&store, &run.record, b"result"));
    let (late, results) = futures::join!(late, join_all(results));
    for (late, result) in late.into_iter().zip(results) {
        assert_eq!(late.unwrap(), WriteStepOutcome::Fenced);
        assert!(matches!(result.unwrap(), CompleteOutcome::Recorded));
    }
    assert_eq!(steps(&server).await, 0);
}

#[tokio::test]
async fn a_step_replaces_in_a_group_what_it_would_replace_alone() {
    require!(Server::Postgres);
    let (_server, store) = started().await;
    let run = Run::begin(&store, Attempt::new()).await;
    let (mine, others, recorded) = (entry(BEGUN, b"1"), entry(BEGUN, b"2"), entry(RECORDED, b"x"));
    for name in ["a", "b", "c", "d"] {
        assert_eq!(run.start(&store, name, &mine).await.unwrap(), WriteStepOutcome::Written);
    }
    let outcomes = futures::join!(
        run.start(&store, "a", &mine),
        run.start(&store, "b", &others),
        run.replace(&store, "c", Replaces::Entry(&others), &recorded),
        run.replace(&store, "d", Replaces::Entry(&mine), &recorded),
        run.replace(&store, "e", Replaces::Entry(&mine), &recorded),
    );
    let outcomes = [outcomes.0, outcomes.1, outcomes.2, outcomes.3, outcomes.4];
    let (written, conflict) = (WriteStepOutcome::Written, WriteStepOutcome::Conflict);
    let expected = [written, conflict, conflict, written, conflict];
    assert_eq!(outcomes.map(Result::unwrap), expected);
    let mut stands = run.steps(&store).await;
    stands.sort_by_key(|(_, entry)| entry.status() != mine.status());
    assert_eq!(stands.len(), 4);
    assert_eq!(stands[3], (run.step("d"), recorded));
    assert!(stands[..3].iter().all(|(_, entry)| *entry == mine), "{stands:?}");
}

#[tokio::test]
async fn what_a_step_names_beside_itself_is_written_with_it_where_nothing_stands() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let runs = begin_all(&store, 10).await;
    write_all(&store, &runs[..5], "outer").await;
    let (recorded, tried) = (entry(RECORDED, b"result"), entry(TRIED, b""));
    let writes = runs.iter().map(|run| async {
        let (step, also) = (run.step("inner"), [(run.step("outer"), tried.clone())]);
        let request = WriteStep::new(&run.attempt.id, &run.record, &step, &recorded).also(&also);
        store.journal().unwrap().write_step(&request).await.unwrap()
    });
    assert_eq!(join_all(writes).await, [WriteStepOutcome::Written; 10]);
    assert_eq!(transactions(&server).await, 2);
    for (at, run) in runs.iter().enumerate() {
        let outer = if at < 5 { &recorded } else { &tried };
        let steps = run.steps(&store).await;
        assert!(steps.contains(&(run.step("outer"), outer.clone())), "{at}: {steps:?}");
        assert_eq!(steps.len(), 2);
    }
}

#[tokio::test]
async fn a_call_whose_row_somebody_has_locked_delays_no_step_of_another() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let runs = begin_all(&store, 20).await;
    write_all(&store, &runs, "hold").await;
    let mut holder = PgConnection::connect(&server.url()).await.unwrap();
    let mut tx = holder.begin().await.unwrap();
    // As a single step locks it.
    let lock = "SELECT FROM idempotent.records WHERE id = $1 FOR SHARE";
    sqlx::query(lock).bind(&runs[19].attempt.id.hash()[..]).execute(&mut *tx).await.unwrap();
    write_all(&store, &runs, "charge").await;
    tx.rollback().await.unwrap();
    let written = "SELECT count(DISTINCT xmin::text) FROM idempotent.records_steps";
    assert_eq!(number(&server, written).await, 3, "one for `hold`, one for the others, one alone");
}

#[tokio::test]
async fn only_the_step_that_the_server_refuses_fails() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let runs = begin_all(&store, 64).await;
    before_a_step(&server, "refused", "RAISE EXCEPTION 'refused'").await;
    let refused = entry(RECORDED, b"refused");
    let ((), refused) = futures::join!(
        write_all(&store, &runs[1..], "charge"),
        runs[0].write(&store, "charge", &refused)
    );
    assert!(refused.is_err(), "{refused:?}");
    let transactions = transactions(&server).await;
    assert!(transactions <= 6, "each half that was not to blame is one: {transactions}");
    assert_eq!(steps(&server).await, 63);
}

#[tokio::test]
async fn steps_leave_in_groups_of_limited_bytes_and_a_long_one_alone() {
    require!(Server::Postgres);
    let (server, store) = started().await;
    let runs = begin_all(&store, 49).await;
    let (longish, long) = (entry(RECORDED, &[7; 100 << 10]), entry(RECORDED, &[7; 300 << 10]));
    let (alone, (), written) = futures::join!(
        runs[0].write(&store, "charge", &long),
        write_all(&store, &runs[1..10], "charge"),
        join_all(runs[10..].iter().map(|run| run.write(&store, "charge", &longish))),
    );
    assert!(written.into_iter().chain([alone]).all(|it| it.unwrap() == WriteStepOutcome::Written));
    let most = "SELECT max(count) FROM (SELECT count(*) AS count FROM idempotent.records_steps
        WHERE octet_length(entry) > 100000 GROUP BY xmin::text) AS groups";
    assert!(number(&server, most).await <= 10, "ten of them are a mebibyte");
    let beside = "SELECT count(*) FROM idempotent.records_steps WHERE xmin::text =
        (SELECT xmin::text FROM idempotent.records_steps WHERE octet_length(entry) > 300000)";
    assert_eq!(number(&server, beside).await, 1);
}

#[tokio::test]
async fn steps_of_a_group_whose_answer_was_lost_are_written_once() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let proxy = TcpProxy::start(server.address()).await;
    let builder = PostgresStore::builder(server.url_at(proxy.address()))
        .response_timeout(idempotent_tests::SOON)
        .max_connections(1);
    let store = migrated(builder.sweep_every(None).never_alone()).await;
    let runs = begin_all(&store, 10).await;
    let (begun, recorded) = (entry(BEGUN, b""), entry(RECORDED, b"result"));
    // Prepares the statement, which takes several answers.
    for run in &runs {
        assert_eq!(run.start(&store, "pay", &begun).await.unwrap(), WriteStepOutcome::Written);
    }
    proxy.drop_next_reply();
    let all = runs.iter().map(|run| {
        let settled = run.replace(&store, "pay", Replaces::Entry(&begun), &recorded);
        let others = (run.write(&store, "charge", &recorded), run.start(&store, "ship", &begun));
        async { futures::join!(settled, others.0, others.1) }
    });
    for (settled, written, begun) in join_all(all).await {
        for outcome in [settled, written, begun] {
            assert_eq!(outcome.unwrap(), WriteStepOutcome::Written);
        }
    }
    assert!(!proxy.is_armed(), "nothing was lost");
    assert_eq!(steps(&server).await, 30);
}

/// Its connections are set as the application's are, and plan while the tables are small.
#[tokio::test]
async fn on_a_pool_of_the_application_a_group_of_steps_reads_no_whole_table() {
    require!(Server::Postgres);
    let server = Postgres::builder().arg("autovacuum", "off").start().await;
    let calls = migrated(grouping(&server)).await;
    let runs = begin_all(&calls, 20).await;
    calls.close().await;
    server.sql("VACUUM ANALYZE idempotent.records, idempotent.records_steps").await;
    let before = scans(&server).await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&server.url()).await.unwrap();
    let builder = PostgresStore::builder(pool.clone()).response_timeout(idempotent_tests::SOON);
    let builder = builder.group_commits(true).never_alone();
    let store = builder.sweep_every(None).connect().await.unwrap();
    for name in ["hold", "charge", "ship"] {
        write_all(&store, &runs, name).await;
    }
    store.close().await;
    pool.close().await;
    assert_eq!(scans(&server).await, before);
}
