//! The program `chaos`: its flags, its progress and its exit code.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::task::JoinSet;

use crate::consumers;
use crate::ledger::Disturbance;
use crate::recovery;
use crate::report::{self, Summary};
use crate::row::{Row, rows};
use crate::runner::{self, Outcome, Settings};
use crate::schedule::Schedule;
use crate::worker;

/// Breaks workers and servers while they run idempotent operations, and checks what the stores
/// promise.
///
/// Without --row or --all it runs one short row. The same row and seed make the same schedule of
/// faults. Exits with 1 when a promise is broken, and with 2 when a run could not be carried out.
#[derive(Debug, Parser)]
#[command(name = "chaos", bin_name = "chaos")]
struct Flags {
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many seeds a row, from the first on.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seeds: u64,
    /// Rows whose name contains this; may be given several times.
    #[arg(long, value_name = "NAME")]
    row: Vec<String>,
    /// Every row.
    #[arg(long, conflicts_with = "row")]
    all: bool,
    /// Print the rows, and run none.
    #[arg(long)]
    list: bool,
    /// Worker processes.
    #[arg(long, default_value_t = 4, value_name = "N")]
    workers: u32,
    /// Operations that each worker runs at once. Default: the row's own number.
    #[arg(long, value_name = "N")]
    tasks: Option<u32>,
    /// Operations of each run. Default: the row's own number.
    #[arg(long, value_name = "N")]
    ops: Option<u64>,
    /// How soon after a fault of a server every worker must be able to use it again, in seconds. A machine
    /// that is busy with several runs may need more.
    #[arg(long, default_value_t = 2, value_name = "SECONDS")]
    recovery: u64,
    /// Runs at once. A run is mostly waiting for leases and failovers, so a machine can carry some
    /// three for each core; more than it can carry shows as keys that are found stuck.
    #[arg(long, default_value_t = NonZeroUsize::MIN, value_name = "N")]
    jobs: NonZeroUsize,
    /// Keep the ledgers and the workers' logs, and say where.
    #[arg(long)]
    keep: bool,
    /// Print the results as JSON.
    #[arg(long, conflicts_with = "markdown")]
    json: bool,
    /// Print the results as a table in Markdown.
    #[arg(long)]
    markdown: bool,
}

/// What runs when nothing is asked for.
const SHORT: &str = "no-server-fault/redis/at_most_once";
const SHORT_OPERATIONS: u64 = 20_000;

/// Runs the program: a worker, if its arguments say so, and else what its flags ask for.
pub fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let ended = match (arguments.next().as_deref(), arguments.next()) {
        (Some("worker"), Some(assignment)) => worker::main(&assignment).map(|()| ExitCode::SUCCESS),
        (Some(recovery::WORKER), Some(assignment)) => {
            recovery::worker_main(&assignment).map(|()| ExitCode::SUCCESS)
        }
        (Some(consumers::WORKER), Some(assignment)) => {
            consumers::worker_main(&assignment).map(|()| ExitCode::SUCCESS)
        }
        _ => run_rows(&Flags::parse()),
    };
    ended.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::from(2)
    })
}

fn run_rows(flags: &Flags) -> Result<ExitCode> {
    if flags.list {
        rows().iter().for_each(|row| println!("{:<72} {}", row.name, row.promise.as_str()));
        return Ok(ExitCode::SUCCESS);
    }
    let chosen = chosen(flags)?;
    let settings = settings(flags)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("a runtime")?;
    let summaries = runtime.block_on(run_all(flags, &chosen, &settings))?;
    print(flags, &summaries)?;
    Ok(if !summaries.iter().all(Summary::is_kept) {
        ExitCode::from(1)
    } else if !summaries.iter().all(Summary::is_complete) {
        ExitCode::from(2)
    } else {
        ExitCode::SUCCESS
    })
}

fn chosen(flags: &Flags) -> Result<Vec<Row>> {
    let short = [SHORT.to_owned()];
    let wanted = if flags.row.is_empty() { &short[..] } else { &flags.row[..] };
    let chosen: Vec<Row> = rows()
        .into_iter()
        .filter(|row| flags.all || wanted.iter().any(|part| row.name.contains(part)))
        .collect();
    ensure!(!chosen.is_empty(), "no row has such a name; --list prints them");
    Ok(chosen)
}

fn settings(flags: &Flags) -> Result<Settings> {
    let program: PathBuf = std::env::current_exe().context("this program's own file")?;
    let alone = flags.row.is_empty() && !flags.all;
    Ok(Settings {
        workers: usize::try_from(flags.workers.max(1))?,
        tasks: flags.tasks.map(|tasks| usize::try_from(tasks.max(1))).transpose()?,
        operations: flags.ops.or(alone.then_some(SHORT_OPERATIONS)),
        recovery: Duration::from_secs(flags.recovery),
        keep: flags.keep,
        ..Settings::new(program)
    })
}

/// All rows with all seeds, as many at once as the flags allow.
async fn run_all(flags: &Flags, chosen: &[Row], settings: &Settings) -> Result<Vec<Summary>> {
    let seeds = flags.seed..flags.seed.saturating_add(flags.seeds);
    let bar = ProgressBar::new(flags.seeds * chosen.len() as u64)
        .with_style(ProgressStyle::with_template("{bar:30} {pos}/{len} {elapsed} {wide_msg}")?);
    bar.enable_steady_tick(Duration::from_millis(200));
    let mut summaries: Vec<_> = chosen.iter().map(Summary::of).collect();
    let mut waiting = seeds.flat_map(|seed| (0..chosen.len()).map(move |row| (row, seed)));
    let mut running = JoinSet::new();
    loop {
        while running.len() < flags.jobs.get() {
            let Some((at, seed)) = waiting.next() else { break };
            let (row, settings, bar) = (chosen[at].clone(), settings.clone(), bar.clone());
            let schedule = Schedule::draw(&row, seed, settings.workers);
            say(flags, &bar, &format!("{}, seed {seed}\n{schedule}", row.name));
            running.spawn(async move {
                let tell =
                    |what: &str| bar.set_message(format!("{}, seed {seed}: {what}", row.name));
                (at, seed, runner::run(&row, seed, &settings, tell).await)
            });
        }
        let Some(ended) = running.join_next().await else { break };
        let (at, seed, outcome) = ended.context("a run")?;
        // A run that fails says nothing of the others.
        match outcome {
            Ok(outcome) => {
                let text = describe(&outcome);
                say(flags, &bar, &format!("{}, seed {seed}:\n{text}", outcome.row));
                summaries[at].add(&outcome);
            }
            Err(error) => {
                say(flags, &bar, &format!("  FAILED  {error:#}\n"));
                summaries[at].failed.push(seed);
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    Ok(summaries)
}

/// Says something beside the bar; JSON stays alone on the standard output.
fn say(flags: &Flags, bar: &ProgressBar, text: &str) {
    bar.suspend(|| {
        if flags.json || flags.markdown {
            eprintln!("{text}");
        } else {
            println!("{text}");
        }
    });
}

fn describe(outcome: &Outcome) -> String {
    let verdict = &outcome.verdict;
    let mut lines = vec![format!(
        "  {} answers, {} effects, {} replays, {} duplicates, {} indeterminate, in {:.1} s",
        verdict.answers(),
        verdict.effects,
        verdict.replayed,
        verdict.duplicates(),
        verdict.indeterminate,
        outcome.took.as_secs_f64()
    )];
    for (code, count) in &verdict.refused {
        lines.push(format!("  refused as {code}: {count}"));
    }
    if let Some(recovery) = verdict.recovery {
        lines.push(format!("  usable again {} ms after a server's fault", recovery.as_millis()));
    }
    if let Some(largest) = outcome.largest_group {
        lines.push(format!("  at most {largest} records changed by one transaction"));
    }
    let Disturbance { cancelled, left_open, held } = verdict.disturbance;
    if verdict.disturbance != Disturbance::default() {
        lines.push(format!(
            "  {cancelled} begins cancelled, {left_open} connections found open, {held} held"
        ));
    }
    const SHOWN: usize = 20;
    lines.extend(verdict.faults.iter().take(SHOWN).map(|fault| format!("  BROKEN  {fault}")));
    if verdict.faults.len() > SHOWN {
        lines.push(format!("  BROKEN  and {} more", verdict.faults.len() - SHOWN));
    }
    if let Some(at) = &outcome.ledgers {
        lines.push(format!("  ledgers: {}", at.display()));
    }
    lines.join("\n") + "\n"
}

fn print(flags: &Flags, summaries: &[Summary]) -> Result<()> {
    if flags.json {
        println!("{}", serde_json::to_string_pretty(summaries)?);
    } else if flags.markdown {
        print!("{}", report::markdown(summaries));
    } else {
        print!("{}", report::plain(summaries));
    }
    Ok(())
}
