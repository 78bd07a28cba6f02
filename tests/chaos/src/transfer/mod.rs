//! Money between accounts, exactly once: several processes make the same transfers, while they and
//! their PostgreSQL are killed and calls are dropped half way.
//!
//! `bank` is what an application has to write, and `bank_client` calls it as one would. `worker` makes
//! the calls, breaks them, and writes each answer to an `answer_log` outside of the database. `runner`
//! kills at random and, with `step_kills`, at the steps of a call; `verdict` compares the logs with the
//! accounts. The program is `transfer`; [`steps`] kills at every step in turn.

mod answer_log;
mod bank;
mod bank_client;
mod runner;
mod step_kills;
pub mod steps;
mod verdict;
mod worker;

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, ValueEnum};
use idempotent_core::backends::RetryTransaction;
use idempotent_servers::Server;
use serde::{Deserialize, Serialize};

pub use self::runner::{Settings, run};
pub use self::step_kills::Stopped;
pub use self::verdict::Outcome;

/// The first argument of a worker.
pub(crate) const WORKER: &str = "transfer-worker";

/// The isolation level of the transfers' transactions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
pub enum Level {
    /// `READ COMMITTED`
    ReadCommitted,
    /// `REPEATABLE READ`
    RepeatableRead,
    /// `SERIALIZABLE`
    Serializable,
}

impl Level {
    const fn retry(self) -> RetryTransaction {
        let retry = RetryTransaction::new();
        match self {
            Self::ReadCommitted => retry.read_committed(),
            Self::RepeatableRead => retry.repeatable_read(),
            Self::Serializable => retry.serializable(),
        }
    }

    const fn begin(self) -> &'static str {
        match self {
            Self::ReadCommitted => "BEGIN ISOLATION LEVEL READ COMMITTED",
            Self::RepeatableRead => "BEGIN ISOLATION LEVEL REPEATABLE READ",
            Self::Serializable => "BEGIN ISOLATION LEVEL SERIALIZABLE",
        }
    }
}

/// Makes transfers from several processes, kills these and the server, and checks that each transfer
/// took effect once. Exits with 1 when one did not, and with 2 when a run could not be carried out.
#[derive(Debug, Parser)]
#[command(name = "transfer", bin_name = "transfer")]
struct Flags {
    /// Transfers at each level. Each process makes each of them.
    #[arg(long, default_value_t = 300, value_name = "N")]
    transfers: u32,
    /// Only this isolation level; may be given several times. Default: all three.
    #[arg(long, value_enum)]
    level: Vec<Level>,
    /// Decides which faults come when.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often a process is killed, at each level.
    #[arg(long, default_value_t = 4, value_name = "N")]
    worker_kills: u32,
    /// How often the server is killed, at each level.
    #[arg(long, default_value_t = 2, value_name = "N")]
    server_kills: u32,
    /// How often a process is killed at a step of one of its calls, at each level. 69 is each of them
    /// once, before it, before its answer and after that.
    #[arg(long, default_value_t = 4, value_name = "N")]
    step_kills: u32,
}

/// Runs the program: a worker, if its arguments say so, and else what its flags ask for.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let ended = match (arguments.next().as_deref(), arguments.next()) {
        (Some(WORKER), Some(assignment)) => worker::main(&assignment),
        (Some(steps::ONCE), Some(single_call)) => steps::main(&single_call),
        _ => all(&Flags::parse()),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::from(2)
    })
}

fn all(flags: &Flags) -> Result<ExitCode> {
    if Server::Postgres.find().is_none() {
        eprintln!("There is no PostgreSQL here. Install it (Debian: apt-get install postgresql).");
        return Ok(ExitCode::from(2));
    }
    let settings = Settings {
        transfers: flags.transfers.max(1),
        seed: flags.seed,
        worker_kills: flags.worker_kills,
        server_kills: flags.server_kills,
        step_kills: flags.step_kills,
        ..Settings::new(std::env::current_exe().context("this program's own file")?)
    };
    let levels = if flags.level.is_empty() { Level::value_variants() } else { &flags.level };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("a runtime")?;
    let mut kept = true;
    for level in levels {
        let outcome = runtime.block_on(run(*level, &settings))?;
        kept &= outcome.is_kept();
        println!("{outcome}\n");
    }
    println!("{}", if kept { "Every transfer took effect once." } else { "BROKEN" });
    Ok(if kept { ExitCode::SUCCESS } else { ExitCode::from(1) })
}
