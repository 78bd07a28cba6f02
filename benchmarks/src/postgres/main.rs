//! What a call costs on PostgreSQL, beside the plain statements.
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin postgres -- \
//!     [--server 15|18] [--rows 10000,5000000] [calls] [within] [sweep] [wake] [groups]
//! ```
//!
//! `groups` is on a server of its own with `fsync` on, since what groups share is a commit.
//!
//! All sides take turns of some thousand calls within one run against one server, started here with
//! `fsync` off, so that the disk is not what is measured. A figure is the median over the rounds; a
//! ratio is the median of the rounds' own ratios, with its quartiles. Every side has ten connections
//! with the same settings and runs on the same runtime, which has as many worker threads as there are
//! cores. The plain statements go through a pool of sqlx, as an application's do, which asks after each
//! of them whether the connection still lives; a store asks over connections that it keeps, and on a pool
//! that it shares it pays the same. Receipts are 177 bytes as JSON; keys are 32 bytes, in no order, as those that clients
//! make are. The tables grow by what is measured.

mod arguments;
mod fill;
mod groups;
mod limit;
mod ours;
#[path = "../shared/receipt.rs"]
mod receipt;
#[path = "../shared/rounds.rs"]
mod rounds;
#[path = "../shared/side.rs"]
mod side;
mod sweep;
mod wake;
mod within;

use std::error::Error;
use std::sync::Arc;

use idempotent_servers::{Postgres, PostgresVersion};

use self::arguments::Arguments;
use self::limit::Limit;
use self::ours::Ours;
use self::rounds::{Plan, compare};
use self::side::{AnySide, What};
use self::within::{ByHand, RunIn};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    for version in &arguments.versions {
        println!("\n{version:?}");
        measure(*version, &arguments).await?;
    }
    Ok(())
}

/// Calls of one turn.
const fn calls(tasks: u64) -> u64 {
    if tasks == 1 { 1_000 } else { 8_192 }
}

async fn measure(version: PostgresVersion, arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    if arguments.wants("groups") {
        groups::measure(version).await?;
    }
    if arguments.wants_only("groups") {
        return Ok(());
    }
    let server = Postgres::builder().version(version).start().await;
    let url = server.url();
    let pool = limit::pool(&url).await?;
    let sides: [Arc<dyn AnySide>; 4] = [
        Arc::new(Limit::new(pool.clone()).await?),
        Arc::new(Ours::connect(&url).await?),
        Arc::new(Ours::on(pool.clone()).await?),
        Arc::new(Ours::near(&url).await?),
    ];
    let within: [Arc<dyn AnySide>; 2] = [
        Arc::new(ByHand::new(pool.clone()).await?),
        Arc::new(RunIn::connect(pool.clone(), &url).await?),
    ];
    let (mut filled, mut ratios) = (0, Vec::new());
    for keys in arguments.rows.iter().copied() {
        fill::fill(&pool, filled, keys).await?;
        filled = keys;
        let mut measured = Vec::new();
        for tasks in [1, 64] {
            for what in [What::Execute, What::Replay] {
                let plan = Plan { what, tasks, keys, calls: calls(tasks) };
                if arguments.wants("calls") {
                    let sides = if what == What::Replay { &sides[..] } else { &sides[..3] };
                    measured.push((what, tasks, "call", compare(sides, plan).await));
                }
                if arguments.wants("within") {
                    measured.push((what, tasks, "run_in", compare(&within, plan).await));
                }
            }
        }
        ratios.push(measured);
    }
    if let [fewest, .., most] = &ratios[..] {
        for ((what, tasks, name, few), (.., many)) in fewest.iter().zip(most) {
            println!(
                "{what:?}, {tasks} tasks, {name}: {:.2} x from fewest to most rows",
                many / few
            );
        }
    }
    if arguments.wants("sweep") {
        sweep::measure(&pool, &url, filled).await?;
    }
    if arguments.wants("wake") {
        wake::measure(&url).await?;
    }
    Ok(())
}
