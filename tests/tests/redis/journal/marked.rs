//! Steps behind the first of a run, which send their record's head alone.

use idempotent_core::Idempotency;
use idempotent_core::store::{
    Replaces, ResumeOutcome, Store, StoreError, StoreErrorKind, WriteStep, WriteStepOutcome,
};
use idempotent_servers::{Flavor, Server, require};
use idempotent_tests::Runs;

use super::run::{BEGUN, Behind, RECORDED, RETENTION, Run, call, entry, step};

impl Run {
    /// Records a step, by an owner who knows that the journal is there.
    async fn record(&self, store: &dyn Store, name: &str) -> Result<WriteStepOutcome, StoreError> {
        let (step, entry) = (self.step(name), entry(RECORDED, 9));
        let request = WriteStep::new(&self.attempt.id, &self.record, &step, &entry).marked();
        store.journal().unwrap().write_step(&request).await
    }
}

#[tokio::test]
async fn a_step_behind_the_first_is_two_commands_for_the_server() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let engine = Idempotency::builder(at.store.clone()).build();
    let runs = Runs::new();
    call(&engine, "7", || async {
        for name in ["a", "b", "c", "d"] {
            step(name, &runs).await?;
        }
        Ok(4)
    })
    .await
    .unwrap();
    let sent = (at.calls_of("getrange").await, at.calls_of("hset").await);
    assert_eq!(sent, (4 + 1, 4), "the first writes the journal's name, and the end looks, too");
    assert_eq!(at.calls_of("hmget").await, 0);
}

/// As after a failover to a replica that had neither.
#[tokio::test]
async fn a_step_whose_journal_the_server_lost_with_its_mark_begins_it_anew() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::begin(&at.store).await;
    assert_eq!(run.record(&at.store, "ship").await.unwrap(), WriteStepOutcome::Written);
    let entry = at.store.load(&run.attempt.id).await.unwrap().unwrap();
    assert_eq!(entry.record, run.record);
    assert_eq!(run.steps(&at.store).await.len(), 1);
}

/// As where the server lost the reservation that had it.
#[tokio::test]
async fn a_journal_that_belongs_to_no_record_is_begun_anew() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::begin(&at.store).await;
    let journal = run.keys().1;
    at.server.cli(&["HSET", &journal, "name", "another", "step of another", "entry"]).await;
    let own = entry(RECORDED, 1);
    run.expect_written(&at.store, "charge", &own).await;
    assert_eq!(run.steps(&at.store).await, [(run.step("charge"), own)]);
    assert_eq!(at.number(&["HLEN", &journal]).await, 2, "its name and its step");
}

/// Which is kept for less time than the record.
#[tokio::test]
async fn a_journal_of_no_record_that_has_the_same_step_is_begun_anew_and_kept_with_the_record() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let lost = Run::with_a_step(&at.store).await;
    lost.expect_written(&at.store, "ship", &entry(RECORDED, 2)).await;
    let (record, journal) = lost.keys();
    at.server.cli(&["PEXPIRE", &journal, "60000"]).await;
    at.server.cli(&["DEL", &record]).await;
    let plain = lost.attempt.win(&at.store).await;
    let marked = plain.with_journal(plain.token(), RETENTION);
    let run = Run { attempt: lost.attempt.clone(), plain, record: marked };
    let own = entry(RECORDED, 3);
    run.expect_written(&at.store, "charge", &own).await;
    assert_eq!(run.steps(&at.store).await, [(run.step("charge"), own)]);
    assert_eq!(at.number(&["HLEN", &journal]).await, 2, "its name and its step");
    let ends = at.number(&["PEXPIRETIME", &journal]).await;
    assert_eq!(at.number(&["PEXPIRETIME", &record]).await, ends);
}

#[tokio::test]
async fn a_value_that_is_no_journal_is_an_error_and_stays() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::begin(&at.store).await;
    let (record, journal) = run.keys();
    at.server.cli(&["SET", &journal, "of somebody else"]).await;
    let refused = run.write(&at.store, "charge", &entry(RECORDED, 1)).await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Malformed, "{refused}");
    assert_eq!(at.server.cli(&["GET", &journal]).await.to_string(), "of somebody else");
    let stored = at.store.load(&run.attempt.id).await.unwrap().unwrap();
    assert_eq!(stored.record, run.plain, "it has no journal");
    at.server.cli(&["DEL", &journal]).await;
    run.expect_written(&at.store, "charge", &entry(RECORDED, 1)).await;
    assert_eq!(at.number(&["EXISTS", &record, &journal]).await, 2);
}

#[tokio::test]
async fn the_first_step_is_five_commands_for_the_server() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::begin(&at.store).await;
    at.server.cli(&["CONFIG", "RESETSTAT"]).await;
    run.expect_written(&at.store, "charge", &entry(RECORDED, 1)).await;
    let mut calls = Vec::new();
    for command in [
        "getrange",
        "hset",
        "pexpiretime",
        "set",
        "pexpireat",
        "unlink",
        "hmget",
        "hsetnx",
        "pexpire",
    ] {
        calls.push(at.calls_of(command).await);
    }
    assert_eq!(calls, [1, 1, 1, 1, 1, 0, 0, 0, 0]);
}

#[tokio::test]
async fn an_owner_who_does_not_know_of_the_journal_leaves_the_other_steps_in_it() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::with_a_step(&at.store).await;
    for again in ["ship", "charge"] {
        run.expect_written(&at.store, again, &entry(RECORDED, 1)).await;
    }
    assert_eq!(run.steps(&at.store).await.len(), 2);
}

#[tokio::test]
async fn an_owner_who_lost_the_key_before_its_first_step_begins_no_journal() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let late = Run::begin(&at.store).await;
    let (record, journal) = late.keys();
    at.server.cli(&["DEL", &record]).await;
    let own = entry(RECORDED, 1);
    assert_eq!(late.write(&at.store, "charge", &own).await.unwrap(), WriteStepOutcome::Fenced);
    let taken = late.attempt.win(&at.store).await;
    assert_eq!(late.write(&at.store, "charge", &own).await.unwrap(), WriteStepOutcome::Fenced);
    late.attempt.record(&at.store, &taken, b"result").await;
    assert_eq!(late.write(&at.store, "charge", &own).await.unwrap(), WriteStepOutcome::Fenced);
    assert_eq!(at.number(&["EXISTS", &journal]).await, 0);
}

#[tokio::test]
async fn a_step_whose_journal_alone_is_gone_is_an_error_and_leaves_none() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::with_a_step(&at.store).await;
    at.server.cli(&["DEL", &run.keys().1]).await;
    let refused = run.record(&at.store, "ship").await.unwrap_err();
    assert_eq!(refused.kind(), StoreErrorKind::Malformed, "{refused}");
    assert_eq!(at.number(&["EXISTS", &run.keys().1]).await, 0);
}

#[tokio::test]
async fn an_owner_whose_call_was_taken_writes_nothing_and_its_successor_does() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::with_a_step(&at.store).await;
    run.suspend(&at.store).await.unwrap();
    let next = run.next();
    assert!(matches!(run.resume(&at.store, &next).await.unwrap(), ResumeOutcome::Won));
    assert_eq!(run.record(&at.store, "ship").await.unwrap(), WriteStepOutcome::Fenced);
    assert_eq!(next.record(&at.store, "ship").await.unwrap(), WriteStepOutcome::Written);
    assert_eq!(next.steps(&at.store).await.len(), 2);
    next.attempt.record(&at.store, &next.record, b"result").await;
    assert_eq!(next.record(&at.store, "pack").await.unwrap(), WriteStepOutcome::Fenced);
    assert_eq!(at.number(&["DBSIZE"]).await, 1, "no journal of a call that has ended");
}

/// What it replaces has to be compared, also where the journal is known to be there.
#[tokio::test]
async fn a_step_that_ends_another_ones_beginning_is_a_conflict() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::with_a_step(&at.store).await;
    let (own, other) = (entry(BEGUN, 1), entry(BEGUN, 2));
    run.start(&at.store, "capture", &other).await.unwrap();
    let (step, ended) = (run.step("capture"), entry(RECORDED, 1));
    let request = WriteStep::new(&run.attempt.id, &run.record, &step, &ended).marked();
    let journal = at.store.journal().unwrap();
    let request = request.replacing(Replaces::Entry(&own));
    let outcome = journal.write_step(&request).await.unwrap();
    assert_eq!(outcome, WriteStepOutcome::Conflict);
}
