//! A step at most once that failed before its effect is taken back, so that the next attempt begins it: a request that the
//! network may deliver twice, the second time long after.

use idempotent_core::backends::MemoryStore;
use idempotent_core::model::{Envelope, Record, StepEntry, StepId, Token};
use idempotent_core::store::{
    Replaces, Resume, ResumeOutcome, Store, Suspend, WriteStep, WriteStepOutcome,
};
use idempotent_servers::{Postgres, Redis, Server, require};
use idempotent_tests::{Attempt, HOUR};
use tempfile::TempDir;

use crate::patient;

const BEGUN: u8 = 0;
const TRIED: u8 = 128;

/// An entry of the first layout.
fn entry(status: u8, attempt: u8) -> StepEntry {
    StepEntry::from_bytes(&[&[1, status, 0][..], &[attempt; 16], &[0; 50]].concat()).unwrap()
}

async fn a_delayed_take_back_leaves_what_the_next_attempt_began(store: impl Store) {
    let (attempt, journal) = (Attempt::new(), store.journal().unwrap());
    let plain = attempt.win(&store).await;
    let first = plain.with_journal(plain.token(), HOUR);
    let pay = StepId::of_call(&attempt.id).step("pay", None);
    let (begun, tried, again) = (entry(BEGUN, 1), entry(TRIED, 1), entry(BEGUN, 2));
    let take_back = WriteStep::new(&attempt.id, &first, &pay, &tried);
    let take_back = take_back.replacing(Replaces::Entry(&begun));

    let begin = WriteStep::new(&attempt.id, &first, &pay, &begun);
    let begin = begin.replacing(Replaces::Nothing).beginning();
    assert_eq!(journal.write_step(&begin).await.unwrap(), WriteStepOutcome::Written);
    assert_eq!(journal.write_step(&take_back).await.unwrap(), WriteStepOutcome::Written);
    let suspended = first.abandoned();
    journal.suspend(&Suspend::new(&attempt.id, &plain, &suspended)).await.unwrap();

    let envelope = Envelope::new(attempt.id.operation()).lease(Attempt::LEASE);
    let second = Record::reserved(&envelope, Token::random()).with_journal(plain.token(), HOUR);
    let resume = Resume::new(&attempt.id, &suspended, &second, Attempt::LEASE);
    let resumed = journal.resume(&resume).await.unwrap();
    assert!(matches!(resumed, ResumeOutcome::Won), "{resumed:?}");
    let begin = WriteStep::new(&attempt.id, &second, &pay, &again);
    let begin = begin.replacing(Replaces::Entry(&tried)).beginning();
    assert_eq!(journal.write_step(&begin).await.unwrap(), WriteStepOutcome::Written);

    assert_eq!(journal.write_step(&take_back).await.unwrap(), WriteStepOutcome::Fenced);
    assert_eq!(journal.load_steps(&attempt.id, plain.token()).await.unwrap(), [(pay, again)]);
}

#[tokio::test]
async fn in_memory_a_delayed_take_back_leaves_what_the_next_attempt_began() {
    a_delayed_take_back_leaves_what_the_next_attempt_began(MemoryStore::new()).await;
}

#[tokio::test]
async fn on_sqlite_a_delayed_take_back_leaves_what_the_next_attempt_began() {
    let folder = TempDir::new().unwrap();
    let store = patient::sqlite(folder.path().join("calls.db")).await;
    a_delayed_take_back_leaves_what_the_next_attempt_began(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_postgres_a_delayed_take_back_leaves_what_the_next_attempt_began() {
    require!(Server::Postgres);
    let server = Postgres::builder().start().await;
    let store = patient::postgres(server.url()).await;
    a_delayed_take_back_leaves_what_the_next_attempt_began(store).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_redis_a_delayed_take_back_leaves_what_the_next_attempt_began() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let store = patient::redis(server.url()).await;
    a_delayed_take_back_leaves_what_the_next_attempt_began(store).await;
}
