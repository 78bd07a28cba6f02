//! Exactly once, with `kill -9` at every numbered step of a call: of the process that makes it, and of
//! PostgreSQL.

use std::path::PathBuf;

use idempotent_chaos::transfer::Level;
use idempotent_chaos::transfer::steps::{Call, Victim, run};

/// A run keeps the whole machine busy.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

/// What the calls send, on a connection that has prepared none of their statements.
const STEPS: [(Call, &[&str]); 3] = [
    (
        Call::Transfer,
        &[
            "begin: Query",
            "reserve: Parse Describe Sync Bind Execute Close Sync",
            "savepoint: Query",
            "body: take from one: Parse Describe Sync Bind Execute Close Sync",
            "body: give to the other: Parse Describe Sync Bind Execute Close Sync",
            "body: note it: Parse Describe Sync Bind Execute Close Sync",
            "complete: Parse Describe Sync Bind Execute Close Sync",
            "commit: Query",
        ],
    ),
    (
        Call::Declined,
        &[
            "begin: Query",
            "reserve: Parse Describe Sync Bind Execute Close Sync",
            "savepoint: Query",
            "body: take from one: Parse Describe Sync Bind Execute Close Sync",
            "undo the body: Query",
            "leave nothing: Parse Describe Sync Bind Execute Close Sync",
            "roll back: Query",
        ],
    ),
    (
        Call::Replay,
        &["begin: Query", "reserve: Parse Describe Sync Bind Execute Close Sync", "commit: Query"],
    ),
];

async fn is_kept_at_every_step(level: Level) {
    let _turn = ONE_AT_A_TIME.lock().await;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_transfer"));
    let report = run(level, program).await.expect("the run can be carried out");
    println!("{report}");
    assert!(report.broken.is_empty(), "{report}");
    for (call_steps, (call, steps)) in report.calls.iter().zip(STEPS) {
        assert_eq!(call_steps.call, call);
        assert_eq!(call_steps.statements(), steps);
    }
    assert_eq!(report.steps(), 38 + 25 + 9);
    // Three at each step and one after the answer, with each victim.
    let kills = Victim::ALL.len() * (3 * report.steps() + Call::ALL.len());
    assert_eq!(report.outcomes.len(), kills);
}

macro_rules! levels {
    ($($test:ident: $level:ident;)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $test() {
            idempotent_servers::require!(idempotent_servers::Server::Postgres);
            is_kept_at_every_step(Level::$level).await;
        }
    )*};
}

levels! {
    a_kill_at_any_step_leaves_a_transfer_whole_or_not_made_at_read_committed: ReadCommitted;
    a_kill_at_any_step_leaves_a_transfer_whole_or_not_made_at_repeatable_read: RepeatableRead;
    a_kill_at_any_step_leaves_a_transfer_whole_or_not_made_at_serializable: Serializable;
}
