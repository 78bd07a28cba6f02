//! Exactly once, with real processes that are killed together with their server: a short run for every
//! day at each isolation level. `cargo run --release -p idempotent-chaos --bin transfer --
//! --transfers 7000 --step-kills 69` is the long one.

use std::path::PathBuf;

use idempotent_chaos::transfer::{Level, Outcome, Settings, run};

/// A run keeps the whole machine busy.
static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

async fn moves_money_once(level: Level, seed: u64) -> Outcome {
    let _turn = ONE_AT_A_TIME.lock().await;
    let program = PathBuf::from(env!("CARGO_BIN_EXE_transfer"));
    let settings = Settings { seed, ..Settings::new(program) };
    let outcome = run(level, &settings).await.expect("the run can be carried out");
    assert!(outcome.is_kept(), "{outcome}");
    assert_eq!(outcome.effects, u64::from(settings.transfers), "{outcome}");
    assert_eq!((outcome.worker_kills, outcome.server_kills), (4, 2), "{outcome}");
    // Several processes may come to a point at once.
    assert!(outcome.step_kills.len() >= settings.step_kills as usize, "{outcome}");
    // Twenty-three messages, before each, before its answer and after that.
    assert_eq!(outcome.points, 69, "{outcome}");
    outcome
}

macro_rules! levels {
    ($($test:ident: $level:ident, $seed:literal;)*) => {$(
        #[tokio::test]
        async fn $test() {
            idempotent_servers::require!(idempotent_servers::Server::Postgres);
            moves_money_once(Level::$level, $seed).await;
        }
    )*};
}

levels! {
    kills_and_drops_cost_no_transfer_and_make_none_twice_at_read_committed: ReadCommitted, 1;
    kills_and_drops_cost_no_transfer_and_make_none_twice_at_repeatable_read: RepeatableRead, 2;
    kills_and_drops_cost_no_transfer_and_make_none_twice_at_serializable: Serializable, 3;
}
