//! With replicas that acknowledge: a step begins, and is recorded, once they have it.

use std::time::Duration;

use idempotent_core::backends::RedisStore;
use idempotent_core::model::{Record, Token};
use idempotent_core::store::{
    Journal as _, ResumeOutcome, State, Store as _, Suspend, WriteStepOutcome,
};
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_servers::{Flavor, Server, require};
use idempotent_tests::Runs;

use super::run::{BEGUN, RECORDED, Run, entry, number, once};
use crate::replicas::{ReplicaGroup, assert_short};
use crate::support::in_the_end;

async fn connect(group: &ReplicaGroup) -> RedisStore {
    group.connect(1).await
}

async fn every_step_stands_on_the_replica(flavor: Flavor) {
    let group = ReplicaGroup::of(flavor, 1).await;
    let (store, replica) = (group.connect_patiently(1).await, &group.replicas[0]);
    for _ in 0..20 {
        let run = Run::begin(&store).await;
        let (record, journal) = run.keys();
        for (step, entry) in [("pay", entry(BEGUN, 1)), ("charge", entry(BEGUN, 2))] {
            let begun = run.start(&store, step, &entry).await.unwrap();
            assert_eq!(begun, WriteStepOutcome::Written);
        }
        // Its name, and two steps.
        assert_eq!(number(replica, &["HLEN", &journal]).await, 3);
        run.expect_written(&store, "ship", &entry(RECORDED, 3)).await;
        assert_eq!(number(replica, &["HLEN", &journal]).await, 4);
        run.suspend(&store).await.unwrap();
        let next = run.next();
        assert!(matches!(run.resume(&store, &next).await.unwrap(), ResumeOutcome::Won));
        let length = i64::try_from(next.record.as_bytes().len()).unwrap();
        assert_eq!(number(replica, &["STRLEN", &record]).await, length);
        next.attempt.record(&store, &next.record, b"result").await;
        assert_eq!(number(replica, &["EXISTS", &record, &journal]).await, 1);
    }
}

#[tokio::test]
async fn by_script_every_step_stands_on_the_replica() {
    require!(Server::Redis);
    every_step_stands_on_the_replica(Flavor::Redis).await;
}

#[tokio::test]
async fn by_ifeq_every_step_stands_on_the_replica() {
    require!(Server::Valkey91);
    every_step_stands_on_the_replica(Flavor::Valkey91).await;
}

#[tokio::test]
async fn a_step_at_most_once_does_not_start_before_replicas_know_that_it_begins() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = connect(&group).await;
    let run = Run::begin(&group.connect_patiently(1).await).await;
    let engine = Idempotency::builder(store.clone()).build();
    let runs = Runs::new();
    // A step is tried as long as the lease is renewed, and renewals do not wait for replicas.
    let (lease, max_run) = (Duration::from_secs(6), Duration::from_secs(6));
    let call = Operation::new("checkout").lease(lease).max_run(max_run).key("7").engine(&engine);
    let refused = call.returning::<Result<usize, idempotent_core::Error>>().run(|| async {
        group.leave(0).await;
        let short = run.start(&store, "pay", &entry(BEGUN, 1)).await.unwrap_err();
        assert_short(&short, 0, 1);
        once("pay", &runs).await
    });
    let refused = refused.await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Store, "{refused}");
    assert_eq!(runs.count(), 0);
    // It was written all the same, and counts once it is repeated.
    group.join(0).await;
    group.wait_for(1).await;
    let begun = in_the_end("a step", async || run.start(&store, "pay", &entry(BEGUN, 1)).await);
    assert_eq!(begun.await, WriteStepOutcome::Written);
}

/// As by an operator who corrects what was said of a step: the owner that is fenced must not come back with a failover.
#[tokio::test]
async fn who_fences_an_owner_is_told_so_once_the_replica_knows_it() {
    require!(Server::Redis);
    let group = ReplicaGroup::start(1).await;
    let store = connect(&group).await;
    let run = Run::with_a_step(&group.connect_patiently(1).await).await;
    let suspended = of_token(&run.record.abandoned(), Token::random());
    let request = Suspend::new(&run.attempt.id, &run.record, &suspended);
    group.leave(0).await;
    // The second time it finds that it was there.
    for _ in 0..2 {
        assert_short(&store.suspend(&request).await.unwrap_err(), 0, 1);
    }
    group.join(0).await;
    group.wait_for(1).await;
    in_the_end("a suspend", async || store.suspend(&request).await).await;
    let found = store.load(&run.attempt.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.record), (State::Suspended, suspended));
}

fn of_token(record: &Record, token: Token) -> Record {
    let mut bytes = record.as_bytes().to_vec();
    bytes[4..20].copy_from_slice(token.as_bytes());
    Record::from_bytes(&bytes).unwrap()
}
