//! Calls that are finished without their callers, while processes and servers die: one small seed a row.
//!
//! By hand, with as many seeds as you like: `IDEMPOTENT_RECOVERY_SEEDS=20 IDEMPOTENT_RECOVERY_ORDERS=1000 cargo test
//! --release -p idempotent-chaos --test recovery -- --nocapture`.

use std::path::Path;

use idempotent_chaos::recovery::{rows, run};

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
    for seed in first..first + number("IDEMPOTENT_RECOVERY_SEEDS").unwrap_or(1) {
        settings.seed = seed;
        let verdict = run(&settings).await.expect("the run can be carried out");
        println!("| `{name}` | {seed} | {verdict}");
        assert_eq!(verdict.faults, [""; 0], "{name} with seed {seed}: {verdict:?}");
        assert!(verdict.resumed > 0, "nothing was interrupted: {verdict:?}");
    }
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
