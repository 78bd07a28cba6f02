//! `idempotent`: the operator's command for stores of `idempotent-core`.
//!
//! `args` is the command line, `config` the file beside it, and `store` connects to what they name. `commands` has a
//! file a command; what changes records goes through `change`, which asks, writes the audit line, and acts only on what
//! was seen. `output` is tables and JSON, and `failure` what the process ends with.

mod args;
mod change;
mod commands;
mod config;
mod context;
mod failure;
mod interrupt;
mod log;
mod output;
mod store;

use std::process::ExitCode;

use self::args::Cli;
use self::context::Context;
use self::failure::{Exit, Failure};

fn main() -> ExitCode {
    let cli = Cli::from_command_line();
    let is_json = cli.options.json;
    let ended = start(cli);
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.report(is_json);
            failure.exit().into()
        }
    }
}

fn start(cli: Cli) -> Result<Exit, Failure> {
    log::install(cli.options.verbose);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Failed, format!("no runtime: {error}")))?;
    let ended = runtime.block_on(async {
        let context = Context::new(cli.options)?;
        commands::run(cli.command, context).await
    });
    // Somebody may still be asked a question that nobody waits for any more.
    runtime.shutdown_background();
    ended
}
