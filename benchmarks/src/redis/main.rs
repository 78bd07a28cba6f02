//! What a call costs on Redis and Valkey, beside the plain commands and the crate `idempotent`.
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin redis
//! ```
//!
//! All sides take turns of a few thousand calls within one run against one server, started here, so
//! noise hits each of them. A figure is the median over the rounds; a ratio is the median of the
//! rounds' own ratios. A store has its three connections, every other side has one, multiplexed. One task
//! runs on a runtime of one thread, 64 tasks on one that has as many worker threads as there are cores.
//! Receipts are 177 bytes as JSON, keys 32 bytes.
//!
//! `--ignore-rust-version` is for the other crate, which asks for a newer compiler than it needs.

mod limit;
mod ours;
mod peer;
#[path = "../shared/receipt.rs"]
mod receipt;
#[path = "../shared/rounds.rs"]
mod rounds;
#[path = "../shared/side.rs"]
mod side;
mod wake;

use std::error::Error;
use std::io;
use std::sync::Arc;

use idempotent_servers::{Flavor, Redis};
use tokio::runtime::{Builder, Runtime};

use self::limit::Limit;
use self::ours::Ours;
use self::peer::Peer;
use self::rounds::{Plan, compare};
use self::side::{AnySide, What};

fn main() -> Result<(), Box<dyn Error>> {
    let runtime = runtime(64)?;
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("wait") {
        let url = arguments.next().ok_or("which server?")?;
        return runtime.block_on(wake::wait_for_orders(&url));
    }
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = runtime.block_on(Redis::builder().flavor(flavor).start());
        println!("\n{flavor:?}");
        for keys in [1_000, 1_000_000] {
            runtime.block_on(fill(&server.url(), keys))?;
            for what in [What::Execute, What::Replay] {
                for tasks in [1, 64] {
                    measure(&server.url(), Plan { what, tasks, keys, calls: calls(what, tasks) })?;
                }
            }
        }
        runtime.block_on(wake::measure(&server.url()))?;
    }
    Ok(())
}

/// Calls of one turn. The tasks take a quarter of a millisecond to start, which must not show in replays
/// that ask no server.
const fn calls(what: What, tasks: u64) -> u64 {
    match (what, tasks) {
        (_, 1) => 1_000,
        (What::Execute, _) => 8_192,
        (What::Replay, _) => 32_768,
    }
}

/// One task has a runtime of one thread: with more, chance decides whether its commands and their
/// answers go from one to another, and a call takes one time or three.
fn runtime(tasks: u64) -> io::Result<Runtime> {
    let mut builder =
        if tasks == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}

fn measure(url: &str, plan: Plan) -> Result<(), Box<dyn Error>> {
    runtime(plan.tasks)?.block_on(async {
        compare(&sides(url, plan.what).await?, plan).await;
        Ok(())
    })
}

/// Everything that is measured, each with connections of its own.
async fn sides(url: &str, what: What) -> Result<Vec<Arc<dyn AnySide>>, Box<dyn Error>> {
    let mut sides: Vec<Arc<dyn AnySide>> = vec![
        Arc::new(Limit::connect(url).await?),
        Arc::new(Ours::connect(url).await?),
        Arc::new(Peer::connect(url).await?),
    ];
    match what {
        What::Execute => sides.push(Arc::new(Limit::comparing(url).await?)),
        What::Replay => sides.push(Arc::new(Ours::near(url).await?)),
    }
    Ok(sides)
}

/// Brings the server to so many keys, of the size of a record.
async fn fill(url: &str, keys: u64) -> redis::RedisResult<()> {
    let mut connection = redis::Client::open(url)?.get_multiplexed_async_connection().await?;
    connection.set_response_timeout(std::time::Duration::from_secs(120));
    redis::cmd("FLUSHALL").exec_async(&mut connection).await?;
    redis::cmd("DEBUG")
        .arg("POPULATE")
        .arg(keys)
        .arg("filler")
        .arg(320)
        .exec_async(&mut connection)
        .await
}
