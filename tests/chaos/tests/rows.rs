//! Some rows of the table, short enough for every day. The whole table is the program's work:
//! `cargo run --release -p idempotent-chaos -- --all --seeds 20 --jobs 6`.

#[path = "rows/consumers.rs"]
mod consumers;

use std::path::PathBuf;
use std::time::Duration;

use idempotent_chaos::checker::{Cause, Fault};
use idempotent_chaos::{Outcome, Promise, Row, Settings, StallWatch, rows, run};
use idempotent_core::Guarantee;

fn row(name: &str) -> Row {
    let found = rows().into_iter().find(|row| row.name == name);
    found.unwrap_or_else(|| panic!("there is no row {name}"))
}

/// A row keeps the whole machine busy, and leases go by the clock on the wall.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// Of a machine that has other things to do as well.
const RECOVERY: Duration = Duration::from_secs(10);

/// How often a run is carried out at most. One in which the machine stood still for a third of a lease shows nothing if it
/// fails for that alone: leases lapse then, and stores do not answer in time.
const RUNS: u32 = 3;

/// Whether this is what comes of a machine that stands still: a lease that lapsed, or a store that did not answer in time.
fn comes_of_a_stall(fault: &Fault, guarantee: Guarantee) -> bool {
    match fault {
        Fault::Stuck { .. } => true,
        Fault::Duplicate(_) => guarantee == Guarantee::AtLeastOnce,
        _ => false,
    }
}

async fn outcome(row: &Row, seed: u64) -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut settings = Settings::new(PathBuf::from(env!("CARGO_BIN_EXE_chaos")));
    settings.operations = Some(row.operations.min(10_000));
    settings.recovery = RECOVERY;
    for _ in 1..RUNS {
        let watch = StallWatch::start();
        let ran = run(row, seed, &settings, |_| ()).await;
        let stall = watch.longest().expect("the clock is looked at");
        let shows_nothing = |outcome: &Outcome| {
            let faults = &outcome.verdict.faults;
            !faults.is_empty() && faults.iter().all(|it| comes_of_a_stall(it, row.guarantee))
        };
        if stall < row.lease / 3 || !ran.as_ref().map_or(true, shows_nothing) {
            return ran.expect("the run can be carried out");
        }
        println!("{}: once more, as the machine stood still for {stall:?}: {ran:?}", row.name);
    }
    run(row, seed, &settings, |_| ()).await.expect("the run can be carried out")
}

async fn keeps_its_promises(name: &str, seed: u64) -> Outcome {
    let outcome = outcome(&row(name), seed).await;
    assert_eq!(outcome.verdict.faults, [], "{name} with seed {seed}: {:?}", outcome.verdict);
    outcome
}

macro_rules! rows {
    ($($test:ident: $row:literal, $seed:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            idempotent_servers::require!(idempotent_servers::Server::Redis);
            keeps_its_promises($row, $seed).await;
        }
    )*};
}

rows! {
    killed_workers_cost_only_what_at_least_once_allows:
        "no-server-fault/redis/at_least_once", 1;
    killed_workers_cost_nothing_at_most_once:
        "no-server-fault/redis/at_most_once", 2;
    lost_answers_delays_and_dropped_connections_cost_nothing_at_most_once:
        "proxy/redis-proxied/at_most_once", 3;
    lost_answers_delays_and_dropped_connections_cost_only_what_at_least_once_allows:
        "proxy/redis-proxied/at_least_once", 4;
    flushed_scripts_and_restarts_with_a_log_cost_nothing_at_most_once:
        "restarted/redis-aof/at_most_once", 5;
    a_full_server_costs_nothing_but_refusals:
        "memory-full/redis/at_most_once", 6;
    a_demoted_primary_that_stays_up_costs_nothing_at_most_once:
        "demoted/redis/at_most_once", 7;
}

/// Five rows of databases, each for two thirds of its time.
async fn keeps_its_promises_in_short(name: &str, seed: u64) -> Outcome {
    let mut row = row(name);
    row.load = row.load * 2 / 3;
    row.keys /= 2;
    row.operations /= 2;
    let outcome = outcome(&row, seed).await;
    assert_eq!(outcome.verdict.faults, [], "{name} with seed {seed}: {:?}", outcome.verdict);
    outcome
}

#[tokio::test]
async fn transactions_that_an_application_left_open_on_its_pool_cost_nothing() {
    idempotent_servers::require!(idempotent_servers::Server::Postgres);
    let outcome = keeps_its_promises_in_short("cancelled-begins/postgres/at_least_once", 1).await;
    assert!(outcome.verdict.disturbance.left_open > 0, "{:?}", outcome.verdict);
}

#[tokio::test]
async fn bodies_outlast_a_pool_that_is_exhausted_for_longer_than_a_lease() {
    idempotent_servers::require!(idempotent_servers::Server::Postgres);
    keeps_its_promises_in_short("exhausted-pool/postgres/at_least_once", 2).await;
}

#[tokio::test]
async fn a_primary_that_is_read_only_for_a_while_costs_nothing_at_most_once() {
    idempotent_servers::require!(idempotent_servers::Server::Postgres);
    let outcome = keeps_its_promises_in_short("demoted/postgres/at_most_once", 3).await;
    assert!(outcome.verdict.refused.contains_key("store_unavailable"), "{:?}", outcome.verdict);
    assert!(outcome.verdict.recovery.is_some(), "{:?}", outcome.verdict);
}

#[tokio::test]
async fn groups_of_a_hundred_and_killed_workers_cost_nothing_at_most_once() {
    idempotent_servers::require!(idempotent_servers::Server::Postgres);
    let outcome = keeps_its_promises_in_short("killed/postgres-in-groups/at_most_once", 6).await;
    assert!(outcome.largest_group > Some(50), "{:?}", outcome.largest_group);
}

#[tokio::test]
async fn dropped_transactions_beside_a_store_on_sqlite_cost_nothing() {
    keeps_its_promises_in_short("cancelled-begins/sqlite/at_most_once", 4).await;
}

#[tokio::test]
async fn bodies_outlast_an_exhausted_pool_beside_a_store_on_sqlite() {
    keeps_its_promises_in_short("exhausted-pool/sqlite/at_least_once", 5).await;
}

/// The harness itself: what it must find, it finds.
#[tokio::test]
async fn a_server_that_forgets_is_caught() {
    idempotent_servers::require!(idempotent_servers::Server::Redis);
    let mut forgetful = row("restarted/redis/at_most_once");
    forgetful.promise = Promise::NoDuplicates;

    let verdict = outcome(&forgetful, 7).await.verdict;

    let duplicates = |fault: &Fault| matches!(fault, Fault::Duplicate(found) if found.cause == Cause::ServerFault);
    assert!(!verdict.faults.is_empty() && verdict.faults.iter().all(duplicates), "{verdict:?}");
}
