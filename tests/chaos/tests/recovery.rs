//! Calls that are finished without their callers, while processes and servers die: one small seed a row.
//!
//! By hand, with as many seeds as you like: `IDEMPOTENT_RECOVERY_SEEDS=20 IDEMPOTENT_RECOVERY_ORDERS=200 cargo test
//! -p idempotent-chaos --test recovery -- --include-ignored --nocapture`.

use std::path::Path;
use std::time::Duration;

use idempotent_chaos::recovery::{Verdict, deploy, rows, run};

/// A row keeps the whole machine busy, and leases go by the clock on the wall.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

async fn every_call_ends(name: &str) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let rows = rows(Path::new(env!("CARGO_BIN_EXE_chaos")));
    let found = rows.into_iter().find(|(row, _)| *row == name);
    let (_, mut settings) = found.unwrap_or_else(|| panic!("there is no row {name}"));
    if let Some(orders) = number("IDEMPOTENT_RECOVERY_ORDERS") {
        settings.orders = u32::try_from(orders).expect("a number of calls");
    }
    let first = number("IDEMPOTENT_RECOVERY_FIRST_SEED").unwrap_or(1);
    let seeds = number("IDEMPOTENT_RECOVERY_SEEDS").unwrap_or(1);
    let mut total = Verdict::default();
    for seed in first..first + seeds {
        settings.seed = seed;
        println!("{name}, seed {seed}: {} calls", settings.orders);
        let verdict = run(&settings).await.expect("the run can be carried out");
        println!(
            "{name}, seed {seed}: {} ms after the faults | {verdict}",
            verdict.took.as_millis()
        );
        for fault in &verdict.faults {
            println!("{name}, seed {seed}: BROKEN {fault}");
        }
        assert!(verdict.resumed > 0, "nothing was interrupted: {verdict:?}");
        total.add(verdict);
    }
    println!("| `{name}` | {seeds} | {total}");
    assert_eq!(total.faults, [""; 0], "{name}");
}

macro_rules! rows {
    ($($test:ident: $row:literal, $server:ident;)*) => {$(
        #[tokio::test]
        async fn $test() {
            idempotent_servers::require!(idempotent_servers::Server::$server);
            every_call_ends($row).await;
        }
    )*};
}

rows! {
    every_call_ends_once_on_postgres: "recovery/postgres", Postgres;
    every_call_ends_once_on_redis: "recovery/redis", Redis;
}

#[tokio::test]
async fn every_call_ends_once_on_sqlite() {
    every_call_ends("recovery/sqlite").await;
}

/// Two builds, one of which has another name for a step: it refuses the other's calls, by both names.
async fn a_renamed_step_is_refused(name: &str) {
    let rows = rows(Path::new(env!("CARGO_BIN_EXE_chaos")));
    let found = rows.into_iter().find(|(row, _)| *row == name);
    let (_, mut settings) = found.unwrap_or_else(|| panic!("there is no row {name}"));
    (settings.orders, settings.lease) = (8, Duration::from_secs(1));
    let verdict = deploy(&settings).await.expect("the deployment can be carried out");
    assert_eq!(verdict.faults, [""; 0], "{name}: {verdict:?}");
    assert_eq!((verdict.resumed, verdict.kills), (8, 2), "{name}: {verdict:?}");
}

#[tokio::test]
async fn a_build_that_renamed_a_step_charges_nothing_twice_on_redis_and_sqlite() {
    idempotent_servers::require!(idempotent_servers::Server::Redis);
    let _turn = ONE_AT_A_TIME.lock().await;
    let on_redis = a_renamed_step_is_refused("recovery/redis");
    tokio::join!(on_redis, a_renamed_step_is_refused("recovery/sqlite"));
}

/// By hand: as on the others, by other statements.
#[tokio::test]
#[ignore = "by hand"]
async fn a_build_that_renamed_a_step_charges_nothing_twice_on_postgres_and_valkey() {
    idempotent_servers::require!(idempotent_servers::Server::Postgres);
    let _turn = ONE_AT_A_TIME.lock().await;
    let on_postgres = a_renamed_step_is_refused("recovery/postgres");
    tokio::join!(on_postgres, a_renamed_step_is_refused("recovery/valkey"));
}

/// By hand: a failover takes its time.
#[tokio::test]
#[ignore = "by hand"]
async fn every_call_ends_once_in_a_sentinel_group_whose_master_dies() {
    every_call_ends("recovery/sentinel").await;
}

/// By hand: as on Redis, by other commands.
#[tokio::test]
#[ignore = "by hand"]
async fn every_call_ends_once_on_valkey() {
    every_call_ends("recovery/valkey").await;
}
