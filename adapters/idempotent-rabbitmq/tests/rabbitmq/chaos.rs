//! Worker processes that are killed, frozen and cut off while they consume, and a broker that is killed: the chaos of
//! `tests/chaos`, on RabbitMQ.
//!
//! By hand, with as many seeds and messages as you like: `IDEMPOTENT_CONSUMERS_SEEDS=20 IDEMPOTENT_CONSUMERS_MESSAGES=5000
//! cargo test --manifest-path adapters/Cargo.toml --test rabbitmq chaos -- --include-ignored --nocapture --test-threads 1`.

use std::process::Command;
use std::time::Duration;

use idempotent_chaos::consumers::{Assignment, Settings, Store, Verdict, run, work};
use idempotent_core::Guarantee::{self, AtLeastOnce, AtMostOnce};
use idempotent_servers::{Server, require};
use tokio::sync::Mutex;

use crate::broker::{CLASSIC, QUORUM};
use crate::chaos_broker::{Killed, source};

/// The environment variable with a worker's assignment.
const VARIABLE: &str = "IDEMPOTENT_RABBITMQ_CHAOS";
/// The test that is the worker, when the variable is set.
const TEST: &str = "chaos::consumes_when_another_test_starts_it";
/// Each row has a broker of its own, and its workers need the processors.
static ONE_AT_A_TIME: Mutex<()> = Mutex::const_new(());

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "it is a worker, which the other tests start"]
async fn consumes_when_another_test_starts_it() {
    let Ok(assignment) = std::env::var(VARIABLE) else { return };
    let assignment = Assignment::read(&assignment).unwrap();
    work(&assignment, source(&assignment)).await.unwrap();
}

fn launch(assignment: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", TEST, "--nocapture"]).env(VARIABLE, assignment);
    command
}

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

async fn takes_effect_once(name: &str, kind: &str, store: Store, guarantee: Guarantee) {
    require!(Server::RabbitMq, Server::Redis, Server::Postgres);
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut settings = Settings::new(store, guarantee);
    if number("IDEMPOTENT_CONSUMERS_SEEDS").is_none() {
        (settings.messages, settings.load) = (1_000, Duration::from_secs(5));
    }
    settings.messages = number("IDEMPOTENT_CONSUMERS_MESSAGES").unwrap_or(settings.messages);
    if let Some(seconds) = number("IDEMPOTENT_CONSUMERS_SECONDS") {
        settings.load = Duration::from_secs(seconds.into());
    }
    // After a kill its quorum queues take their time, and it takes seconds to tell how many messages it has.
    settings.settled_within = Duration::from_secs(120);
    let first = u64::from(number("IDEMPOTENT_CONSUMERS_FIRST_SEED").unwrap_or(1));
    let seeds = u64::from(number("IDEMPOTENT_CONSUMERS_SEEDS").unwrap_or(1));
    let mut total = Verdict::default();
    for seed in first..first + seeds {
        settings.seed = seed;
        let broker = Killed::start(kind).await.expect("it starts");
        let verdict = run(&settings, &broker, &launch).await.expect("the run can be carried out");
        println!("{name}, seed {seed} | {verdict} {:?}", verdict.outcomes);
        for fault in &verdict.faults {
            println!("{name}, seed {seed}: BROKEN {fault}");
        }
        total.add(verdict);
    }
    println!("| `{name}` | {seeds} | {total}");
    assert_eq!(total.faults, [], "{name}");
}

macro_rules! rows {
    ($($(#[$by_hand:meta])* $test:ident: $name:literal, $kind:ident, $store:ident, $guarantee:ident;)*) => {$(
        #[tokio::test]
        $(#[$by_hand])*
        async fn $test() {
            takes_effect_once($name, $kind, Store::$store, $guarantee).await;
        }
    )*};
}

rows! {
    #[ignore = "by hand"]
    messages_of_a_quorum_queue_take_effect_once:
        "rabbitmq-quorum/redis/at_least_once", QUORUM, Redis, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_a_quorum_queue_take_effect_once_with_postgres:
        "rabbitmq-quorum/postgres/at_least_once", QUORUM, Postgres, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_a_quorum_queue_take_effect_exactly_once_in_an_inbox:
        "rabbitmq-quorum/inbox", QUORUM, Inbox, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_a_quorum_queue_take_effect_at_most_once:
        "rabbitmq-quorum/redis/at_most_once", QUORUM, Redis, AtMostOnce;
    #[ignore = "by hand"]
    messages_of_a_classic_queue_take_effect_once:
        "rabbitmq-classic/redis/at_least_once", CLASSIC, Redis, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_a_classic_queue_take_effect_once_with_postgres:
        "rabbitmq-classic/postgres/at_least_once", CLASSIC, Postgres, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_a_classic_queue_take_effect_exactly_once_in_an_inbox:
        "rabbitmq-classic/inbox", CLASSIC, Inbox, AtLeastOnce;
}
