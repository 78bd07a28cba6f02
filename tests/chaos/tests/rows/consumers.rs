//! Messages of brokers: one short run a broker, and the others by hand.
//!
//! By hand, with as many seeds and messages as you like: `IDEMPOTENT_CONSUMERS_SEEDS=20 IDEMPOTENT_CONSUMERS_MESSAGES=5000
//! cargo test -p idempotent-chaos --test rows consumers -- --include-ignored --nocapture`.

use std::path::Path;
use std::time::Duration;

use idempotent_chaos::StallWatch;
use idempotent_chaos::consumers::{
    Fault, JetStream, RedisStreams, Settings, Store, Verdict, launch, run,
};
use idempotent_core::Guarantee::{self, AtLeastOnce, AtMostOnce};

use crate::{ONE_AT_A_TIME, RUNS, comes_of_a_stall};

#[derive(Clone, Copy)]
enum Of {
    JetStream,
    RedisStreams,
}

fn number(variable: &str) -> Option<u32> {
    std::env::var(variable).ok()?.parse().ok()
}

/// As in the other rows, a run in which the machine stood still shows nothing, nor does one without a kill that hit a handler.
async fn once(of: Of, settings: &Settings) -> Verdict {
    for _ in 1..RUNS {
        let watch = StallWatch::start();
        let verdict = run_on(of, settings).await;
        let stall = watch.longest().expect("the clock is looked at");
        let stood_still = stall >= settings.lease() / 3;
        let shows_nothing = verdict.faults.iter().all(|fault| match fault {
            Fault::OfCalls(fault) => {
                let is_leased = settings.store != Store::Inbox;
                stood_still && is_leased && comes_of_a_stall(fault, settings.guarantee)
            }
            fault => matches!(fault, Fault::NothingInterrupted),
        });
        if verdict.faults.is_empty() || !shows_nothing {
            return verdict;
        }
        println!("once more; the machine stood still for {stall:?}: {:?}", verdict.faults);
    }
    run_on(of, settings).await
}

async fn run_on(of: Of, settings: &Settings) -> Verdict {
    let launch = launch(Path::new(env!("CARGO_BIN_EXE_chaos")));
    let ran = match of {
        Of::JetStream => {
            run(settings, &JetStream::start(settings).await.expect("it starts"), &launch).await
        }
        Of::RedisStreams => {
            run(settings, &RedisStreams::start().await.expect("it starts"), &launch).await
        }
    };
    ran.expect("the run can be carried out")
}

async fn takes_effect_once(name: &str, of: Of, store: Store, guarantee: Guarantee) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut settings = Settings::new(store, guarantee);
    settings.messages = number("IDEMPOTENT_CONSUMERS_MESSAGES").unwrap_or(settings.messages);
    if let Some(seconds) = number("IDEMPOTENT_CONSUMERS_SECONDS") {
        settings.load = Duration::from_secs(seconds.into());
    }
    let first = u64::from(number("IDEMPOTENT_CONSUMERS_FIRST_SEED").unwrap_or(1));
    let seeds = u64::from(number("IDEMPOTENT_CONSUMERS_SEEDS").unwrap_or(1));
    let mut total = Verdict::default();
    for seed in first..first + seeds {
        settings.seed = seed;
        let verdict = once(of, &settings).await;
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
    ($($(#[$by_hand:meta])* $test:ident: $name:literal, $of:ident, $store:ident, $guarantee:ident;)*) => {$(
        #[tokio::test]
        $(#[$by_hand])*
        async fn $test() {
            use idempotent_servers::{Server, require};

            require!(Server::Nats, Server::Redis, Server::Postgres);
            takes_effect_once($name, Of::$of, Store::$store, $guarantee).await;
        }
    )*};
}

rows! {
    messages_of_jetstream_take_effect_once:
        "jetstream/redis/at_least_once", JetStream, Redis, AtLeastOnce;
    messages_of_redis_streams_take_effect_exactly_once_in_an_inbox:
        "redis-streams/inbox", RedisStreams, Inbox, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_jetstream_take_effect_once_with_postgres:
        "jetstream/postgres/at_least_once", JetStream, Postgres, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_jetstream_take_effect_exactly_once_in_an_inbox:
        "jetstream/inbox", JetStream, Inbox, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_jetstream_take_effect_at_most_once:
        "jetstream/redis/at_most_once", JetStream, Redis, AtMostOnce;
    #[ignore = "by hand"]
    messages_of_jetstream_take_effect_at_most_once_with_postgres:
        "jetstream/postgres/at_most_once", JetStream, Postgres, AtMostOnce;
    #[ignore = "by hand"]
    messages_of_redis_streams_take_effect_once:
        "redis-streams/redis/at_least_once", RedisStreams, Redis, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_redis_streams_take_effect_once_with_postgres:
        "redis-streams/postgres/at_least_once", RedisStreams, Postgres, AtLeastOnce;
    #[ignore = "by hand"]
    messages_of_redis_streams_take_effect_at_most_once:
        "redis-streams/redis/at_most_once", RedisStreams, Redis, AtMostOnce;
    #[ignore = "by hand"]
    messages_of_redis_streams_take_effect_at_most_once_with_postgres:
        "redis-streams/postgres/at_most_once", RedisStreams, Postgres, AtMostOnce;
}
