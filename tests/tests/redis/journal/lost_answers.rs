//! Requests about journals whose answers are lost, or which are lost themselves: each is sent again, and changes nothing
//! twice.

use std::time::{Duration, Instant};

use idempotent_core::backends::RedisStore;
use idempotent_core::model::StepId;
use idempotent_core::store::{
    Journal as _, ResumeOutcome, State, Store, StoreErrorKind, WriteStep, WriteStepOutcome,
};
use idempotent_servers::{Flavor, Server, TcpProxy, require};
use idempotent_tests::Attempt;

use super::run::{BEGUN, Behind, RECORDED, RETENTION, Run, entry};
use crate::fake_server::FakeServer;

#[derive(Clone, Copy, Debug)]
enum Lost {
    Request,
    Answer,
}

impl Lost {
    fn arm(self, proxy: &TcpProxy, command: &str) {
        match self {
            Self::Request => proxy.drop_next_request_of(command),
            Self::Answer => proxy.drop_next_reply_to(command),
        }
    }
}

async fn lose(at: &Behind, lost: Lost) {
    let (store, proxy) = (&at.store, &at.proxy);
    let run = Run::begin(store).await;
    let script = || lost.arm(proxy, "EVALSHA");
    let was_lost = || assert!(!proxy.is_armed(), "nothing was lost: {lost:?}");
    script();
    run.expect_written(store, "charge", &entry(RECORDED, 1)).await;
    was_lost();
    script();
    let begun = run.start(store, "pay", &entry(BEGUN, 2)).await.unwrap();
    assert_eq!(begun, WriteStepOutcome::Written);
    was_lost();
    script();
    run.suspend(store).await.unwrap();
    was_lost();
    let next = run.next();
    script();
    assert!(matches!(run.resume(store, &next).await.unwrap(), ResumeOutcome::Won));
    was_lost();
    lost.arm(proxy, "HGETALL");
    let mut steps = next.steps(store).await;
    was_lost();
    let mut expected =
        [(run.step("charge"), entry(RECORDED, 1)), (run.step("pay"), entry(BEGUN, 2))];
    steps.sort_by_key(|(step, _)| *step);
    expected.sort_by_key(|(step, _)| *step);
    assert_eq!(steps, expected);
    script();
    next.attempt.renew(store, &next.record).await.unwrap();
    was_lost();
    script();
    next.attempt.record(store, &next.record, b"result").await;
    was_lost();
    let found = store.load(&run.attempt.id).await.unwrap().unwrap();
    assert_eq!((found.state, found.record), (State::Completed, next.record.completed(b"result")));
}

/// The server learns the scripts.
async fn warm_up(at: &Behind) {
    let run = Run::with_a_step(&at.store).await;
    run.start(&at.store, "pay", &entry(BEGUN, 2)).await.unwrap();
    run.suspend(&at.store).await.unwrap();
    let next = run.next();
    run.resume(&at.store, &next).await.unwrap();
    next.attempt.renew(&at.store, &next.record).await.unwrap();
    next.attempt.record(&at.store, &next.record, b"result").await;
}

async fn lose_each(flavor: Flavor) {
    let at = Behind::new(flavor).await;
    warm_up(&at).await;
    for lost in [Lost::Answer, Lost::Request] {
        lose(&at, lost).await;
    }
}

#[tokio::test]
async fn on_redis_a_lost_answer_about_a_journal_changes_nothing() {
    require!(Server::Redis);
    lose_each(Flavor::Redis).await;
}

#[tokio::test]
async fn on_valkey_a_lost_answer_about_a_journal_changes_nothing() {
    require!(Server::Valkey91);
    lose_each(Flavor::Valkey91).await;
}

/// `begin` is what an effect waits for: it succeeds when it is repeated, and begins nothing for another attempt.
#[tokio::test]
async fn a_step_that_began_begins_again_only_for_the_same_attempt() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let run = Run::begin(&at.store).await;
    for _ in 0..2 {
        let begun = run.start(&at.store, "pay", &entry(BEGUN, 1)).await.unwrap();
        assert_eq!(begun, WriteStepOutcome::Written);
    }
    let other = run.start(&at.store, "pay", &entry(BEGUN, 2)).await.unwrap();
    assert_eq!(other, WriteStepOutcome::Conflict);
}

#[tokio::test]
async fn a_server_that_forgot_its_scripts_keeps_journals_all_the_same() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let forget = async || {
        at.server.cli(&["SCRIPT", "FLUSH"]).await;
    };
    let run = Run::begin(&at.store).await;
    forget().await;
    run.expect_written(&at.store, "charge", &entry(RECORDED, 1)).await;
    forget().await;
    run.suspend(&at.store).await.unwrap();
    forget().await;
    let next = run.next();
    assert!(matches!(run.resume(&at.store, &next).await.unwrap(), ResumeOutcome::Won));
    forget().await;
    next.attempt.record(&at.store, &next.record, b"result").await;
    forget().await;
    assert!(at.store.purge(&next.attempt.id).await.unwrap());
}

/// No engine sets a timer of its own for it.
#[tokio::test]
async fn a_step_on_a_server_that_has_stalled_ends_in_the_stores_own_time() {
    require!(Server::Redis);
    let at = Behind::new(Flavor::Redis).await;
    let store = impatient(at.proxy.redis_url()).await;
    let run = Run::with_a_step(&at.store).await;
    let (ship, recorded) = (run.step("ship"), entry(RECORDED, 2));
    let request = WriteStep::new(&run.attempt.id, &run.record, &ship, &recorded);
    at.proxy.stall();
    for request in [request, request.marked()] {
        let begin = Instant::now();
        store.write_step(&request).await.unwrap_err();
        assert!(begin.elapsed() < 2 * TIMEOUT + SLACK, "{:?}", begin.elapsed());
    }
}

/// Each of its commands is answered in time, and all of them together would not be: the server knows no script, and says of
/// the first that another must decide.
#[tokio::test]
async fn a_step_of_many_slow_commands_ends_within_what_the_store_promises() {
    let server = FakeServer::start(|command| {
        if let "EVAL" | "EVALSHA" = command[0].as_str() {
            std::thread::sleep(TIMEOUT * 2 / 3);
        }
        match command[0].as_str() {
            "INFO" => FakeServer::bulk("redis_version:7.0.15\r\nmaxmemory_policy:noeviction\r\n"),
            "EVALSHA" => "-NOSCRIPT No matching script.\r\n".to_owned(),
            "EVAL" => ":4\r\n".to_owned(),
            _ => "+OK\r\n".to_owned(),
        }
    })
    .await;
    let store = impatient(server.url()).await;
    assert_eq!(store.journal().unwrap().response_timeout(), Some(2 * TIMEOUT));
    let (attempt, recorded) = (Attempt::new(), entry(RECORDED, 1));
    let reservation = attempt.request().record().clone();
    let record = reservation.with_journal(reservation.token(), RETENTION);
    let step = StepId::of_call(&attempt.id).step("ship", None);
    let request = WriteStep::new(&attempt.id, &record, &step, &recorded).marked();
    let error = store.write_step(&request).await.unwrap_err();
    assert_eq!(error.kind(), StoreErrorKind::Timeout, "{error:?}");
}

const TIMEOUT: Duration = Duration::from_millis(300);

/// On a loaded machine. Without a timeout, calls to a server that has stalled would never end.
const SLACK: Duration = Duration::from_secs(10);

async fn impatient(url: String) -> RedisStore {
    let builder = RedisStore::builder(url).response_timeout(TIMEOUT);
    builder.connect_with_retry(Duration::from_secs(20)).await.unwrap()
}
