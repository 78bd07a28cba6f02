//! Calls of several steps: how many statements they cost, as the server counts them, and who waits for whom. On a connection
//! that has prepared them, each statement is one round trip.

use std::time::Duration;

use idempotent_core::model::{StepEntry, StepStatus};
use idempotent_core::store::{
    Replaces, Resume, ResumeOutcome, Scan, State, WriteStep, WriteStepOutcome,
};
use idempotent_core::{Disposition, Error, Guarantee, Idempotency, Operation, Store as _, step};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, Runs};
use sqlx::{Connection as _, PgConnection};

use crate::run::{RECORDED, Run, entry};
use crate::setup::{VERSIONS, migrated, number, patient};
use crate::statements::Counted;

async fn call<F, Fut>(engine: &Idempotency, key: &str, body: F) -> Result<usize, Error>
where
    F: FnOnce() -> Fut,
    Fut: Future<Output = Result<usize, Error>>,
{
    let call = Operation::new("shop::checkout").key(key).engine(engine);
    call.returning::<Result<usize, Error>>().run(body).await
}

async fn note(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    step(name, || async { Ok(runs.note()) }).await
}

async fn once(name: &'static str, runs: &Runs) -> Result<usize, Error> {
    let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
    step.returning::<Result<usize, Error>>().run(|| async { Ok(runs.note()) }).await
}

/// An error of a body's own.
async fn failure() -> Error {
    let call = Operation::new("failure").key(&None::<u32>).returning::<Result<(), Error>>();
    call.run(|| async { Ok(()) }).await.unwrap_err()
}

#[tokio::test]
async fn a_call_of_steps_is_one_statement_for_each_and_drops_its_journal_without_one() {
    require!(Server::Postgres, Server::Postgres18);
    for version in VERSIONS {
        let at = Counted::new(version).await;
        let engine = Idempotency::new(at.store.clone());
        let runs = Runs::new();
        let four = || async {
            for name in ["a", "b", "c", "d"] {
                note(name, &runs).await?;
            }
            Ok(4)
        };
        let twice = || async {
            once("a", &runs).await?;
            once("b", &runs).await
        };
        let two = || async {
            note("a", &runs).await?;
            note("b", &runs).await?;
            Err(failure().await)
        };
        // The first call of a connection is not like the others.
        call(&engine, "warm", four).await.unwrap();
        let (statements, ended) = at.of(call(&engine, "four", four)).await;
        assert_eq!((statements, ended.unwrap()), (4 + 2, 4), "four steps");
        let (statements, ended) = at.of(call(&engine, "twice", twice)).await;
        ended.unwrap();
        assert_eq!(statements, 2 * 2 + 2, "two steps at most once");
        let (statements, ended) = at.of(call(&engine, "resumed", two)).await;
        ended.unwrap_err();
        assert_eq!(statements, 1 + 2 + 1, "two steps, and a run that is suspended");
        // It finds the call, takes it, loads its journal, and does what is left.
        let (statements, ended) = at.of(call(&engine, "resumed", four)).await;
        assert_eq!((statements, ended.unwrap()), (1 + 1 + 1 + 2 + 1, 4), "a resumed run");
        let left = "SELECT count(*) FROM idempotent.records_steps";
        assert_eq!(number(&at.server, left).await, 0, "no journal is left");
    }
}

/// An error of a step that does not know what it did.
#[derive(Debug)]
enum Failure {
    TimedOut,
    Refused,
}

impl From<Error> for Failure {
    fn from(_: Error) -> Self {
        Self::Refused
    }
}

/// The same step, which did not happen after all.
fn taken_back(begun: &StepEntry) -> StepEntry {
    let mut bytes = begun.as_bytes().to_vec();
    bytes[1] = 128;
    let tried = StepEntry::from_bytes(&bytes).unwrap();
    assert_eq!((begun.status(), tried.status()), (StepStatus::Begun, StepStatus::Tried));
    tried
}

/// Neither sees what the other has not committed: if they did not wait, the call would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_late_owners_the_second_sees_what_the_first_has_settled() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let store = migrated(patient(&server)).await;
    let engine = Idempotency::new(store.clone());
    let pay = async |name: &'static str| {
        let step = Operation::new(name).guarantee(Guarantee::AtMostOnce).step();
        let step = step.returning::<Result<u32, Failure>>().on_error(|_| Disposition::Unknown);
        step.run(|| async {
            // Both have begun.
            tokio::time::sleep(Duration::from_millis(500)).await;
            Err(Failure::TimedOut)
        })
        .await
    };
    let call = Operation::new("shop::checkout").key("7").engine(&engine);
    let call = call.returning::<Result<u32, Failure>>().run(|| async {
        let (one, other) = tokio::join!(pay("charge"), pay("refund"));
        Ok(one? + other?)
    });
    call.await.unwrap_err();
    let id = engine.record_id("shop::checkout", None, "7").unwrap();
    let seen = engine.inspect(&id).await.unwrap().unwrap();
    let [(one, charged), (other, refunded)] = seen.steps() else { panic!("{seen:?}") };
    let record = store.load(&id).await.unwrap().unwrap().record;
    assert!(record.waits_for_steps());

    let mut aside = PgConnection::connect(&server.url()).await.unwrap();
    let mut settling = aside.begin().await.unwrap();
    sqlx::query(
        "SELECT * FROM idempotent.records_write_step($1, $2, $3, 3::smallint, 3600000000, $4, $5, $6, 2::smallint, $7,
         false, '{}', '{}')",
    )
    .bind(&id.hash()[..])
    .bind(&record.token().as_bytes()[..])
    .bind(record.as_bytes())
    .bind(&record.journal().unwrap().as_bytes()[..])
    .bind(&one.as_bytes()[..])
    .bind(taken_back(charged).as_bytes())
    .bind(charged.as_bytes())
    .execute(&mut *settling)
    .await
    .unwrap();
    let (late, own, begun, step) = (store.clone(), record.clone(), refunded.clone(), *other);
    let of = id.clone();
    let second = tokio::spawn(async move {
        let settled = taken_back(&begun);
        let request = WriteStep::new(&of, &own, &step, &settled).replacing(Replaces::Entry(&begun));
        late.journal().unwrap().write_step(&request).await.unwrap()
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!second.is_finished(), "the first has not committed");
    settling.commit().await.unwrap();
    assert_eq!(second.await.unwrap(), WriteStepOutcome::Written);
    let now = store.load(&id).await.unwrap().unwrap();
    assert_eq!((now.state, now.record), (State::Suspended, record.with_steps_settled()));
}

#[tokio::test]
async fn a_step_with_a_status_of_a_later_version_is_in_doubt() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let (engine, runs) = (Idempotency::new(migrated(patient(&server)).await), Runs::new());
    let ends = call(&engine, "7", || async {
        note("a", &runs).await?;
        Err(failure().await)
    });
    ends.await.unwrap_err();
    let in_doubt = async || engine.scan(&Scan::in_doubt()).await.unwrap().entries;
    for (status, expected) in [(1, 0), (7, 1), (6, 0), (129, 1), (128, 0)] {
        let change =
            format!("UPDATE idempotent.records_steps SET entry = set_byte(entry, 1, {status})");
        server.sql(&change).await;
        assert_eq!(in_doubt().await.len(), expected, "{status}");
    }
    server.sql("DELETE FROM idempotent.records_steps").await;
    assert_eq!(in_doubt().await.len(), 1, "its journal is lost");
}

/// A release that changes what suspending means: processes of the one before go on for a while.
#[tokio::test]
async fn a_build_of_the_schema_before_suspends_calls_as_ever_and_one_without_the_rights_is_refused()
{
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let builder = patient(&server);
    for (_, sql) in builder.migrations().unwrap().filter(|(version, _)| *version < 9) {
        server.sql(&sql).await;
    }
    let refused = patient(&server).migrate(false).connect().await.unwrap_err();
    assert!(refused.to_string().contains("migrations()"), "{refused}");
    let missing = patient(&server).missing_migrations().await.unwrap();
    assert_eq!(missing.first().unwrap().0, 9);

    let store = migrated(patient(&server)).await;
    let run = Run::begin(&store, Attempt::new()).await;
    let charged = entry(RECORDED, b"result");
    run.write(&store, "charge", &charged).await.unwrap();
    let suspended = run.record.abandoned();
    let mut old_build = PgConnection::connect(&server.url()).await.unwrap();
    sqlx::query(
        "SELECT idempotent.records_suspend($1, $2, $3, 3::smallint, true, NULL, NULL, '{}', '{}', '{}', NULL, 'c')",
    )
    .bind(&run.attempt.id.hash()[..])
    .bind(&run.record.token().as_bytes()[..])
    .bind(suspended.as_bytes())
    .execute(&mut old_build)
    .await
    .unwrap();
    let found = store.load(&run.attempt.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.record), (State::Suspended, suspended.clone()));
    // Nobody is fenced: its late owner writes, and whoever saw it resumes it.
    let late = run.write(&store, "ship", &entry(RECORDED, b"late")).await.unwrap();
    assert_eq!(late, WriteStepOutcome::Written);
    let next = run.next();
    let request = Resume::new(&run.attempt.id, &suspended, &next.record, Attempt::LEASE);
    let resumed = store.journal().unwrap().resume(&request).await.unwrap();
    assert!(matches!(resumed, ResumeOutcome::Won), "{resumed:?}");
}
