//! The commands, a file each.

mod bench;
mod bench_report;
mod completions;
mod correct;
mod doctor;
mod list;
mod migrate;
mod move_records;
mod outbox;
mod owner;
mod purge;
mod purge_all;
mod purge_pass;
mod release;
mod resolve;
mod resolve_step;
mod resume;
mod settle;
mod show;
mod stats;
mod watch;

use std::sync::atomic::Ordering;

use crate::args::Command;
use crate::change::warn_of_log;
use crate::context::Context;
use crate::failure::{Exit, Failure};

/// Runs a command to its end.
pub(crate) async fn run(command: Command, mut context: Context) -> Result<Exit, Failure> {
    let context = &mut context;
    if command.consent().is_some_and(|consent| consent.dry_run) {
        warn_of_log(context);
    }
    let ended = match command {
        Command::List(arguments) => list::run(arguments, context).await,
        Command::Show(arguments) => show::run(arguments, context).await,
        Command::Stats(arguments) => stats::run(arguments, context).await,
        Command::Watch(arguments) => watch::run(arguments, context).await,
        Command::Move(arguments) => move_records::run(arguments, context).await,
        Command::Bench(arguments) => bench::run(arguments, context).await,
        Command::Resolve(arguments) => resolve::run(arguments, context).await,
        Command::ResolveStep(arguments) => resolve_step::run(arguments, context).await,
        Command::CorrectStep(arguments) => resolve_step::correct(arguments, context).await,
        Command::Resume(arguments) => resume::run(arguments, context).await,
        Command::Correct(arguments) => correct::run(arguments, context).await,
        Command::Release(arguments) => release::run(arguments, context).await,
        Command::Purge(arguments) => purge::run(arguments, context).await,
        Command::Migrate(arguments) => migrate::run(arguments, context).await,
        Command::Outbox(arguments) => outbox::run(arguments, context).await,
        Command::Doctor(arguments) => doctor::run(arguments, context).await,
        Command::Completions { shell } => completions::completions(shell, context),
        Command::Man => completions::man(context),
    };
    let flushed = context.output.flush();
    let ended = ended.and_then(|exit| flushed.map(|()| exit));
    match context.has_changed.load(Ordering::Relaxed) {
        true => ended.map_err(Failure::after_a_change),
        false => ended,
    }
}
