//! Some rows of the table, short enough for every day. The whole table is the program's work:
//! `cargo run --release -p idempotent-chaos -- --all --seeds 20 --jobs 6`.

use std::path::PathBuf;

use idempotent_chaos::checker::{Cause, Fault};
use idempotent_chaos::{Outcome, Promise, Row, Settings, rows, run};

fn row(name: &str) -> Row {
    let found = rows().into_iter().find(|row| row.name == name);
    found.unwrap_or_else(|| panic!("there is no row {name}"))
}

/// A row keeps the whole machine busy, and leases go by the clock on the wall.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn outcome(row: &Row, seed: u64) -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let mut settings = Settings::new(PathBuf::from(env!("CARGO_BIN_EXE_chaos")));
    settings.operations = Some(10_000);
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
