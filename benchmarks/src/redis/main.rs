//! What a call costs on Redis and Valkey, beside the plain commands and the crate `idempotent`.
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin redis [redis|valkey|delayed]
//! ```
//!
//! All sides take turns of a few thousand calls within one run against one server, started here, so noise
//! hits each of them; replays from memory are so fast that a turn has eight times as many. A figure is
//! the median over the rounds; a ratio is the median of the rounds' own ratios. A store has its three
//! connections, every other side has one, multiplexed.
//!
//! All sides are measured on sockets as clients of the crate `redis` make them, on which small writes
//! gather while an answer is under way, and again with `TCP_NODELAY`, which a store of a URL sets. The
//! other crate makes its sockets itself, of the first kind, and stands in both tables.
//!
//! What `TCP_NODELAY` is worth where a server is not on the same machine, `delayed` measures through a
//! proxy.
//!
//! One task runs on a runtime of one thread, 64 tasks on one that has as many worker threads as there are
//! cores; their calls name their engine, except those that replay from a near cache, whose engine is
//! installed. Receipts are 177 bytes as JSON, keys 32 bytes.
//!
//! `--ignore-rust-version` is for the other crate, which asks for a newer compiler than it needs.

mod delayed;
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
use std::process::Command;
use std::sync::Arc;

use idempotent_servers::{Flavor, Redis};
use redis::io::tcp::TcpSettings;
use redis::{Client, IntoConnectionInfo};
use tokio::runtime::{Builder, Runtime};

use self::limit::Limit;
use self::ours::Ours;
use self::peer::Peer;
use self::rounds::{Plan, compare};
use self::side::{AnySide, What};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["wait", url] => runtime(64)?.block_on(wake::wait_for_orders(url)),
        ["redis"] => measure_on(Flavor::Redis),
        ["valkey"] => measure_on(Flavor::Valkey91),
        ["delayed"] => runtime(64)?.block_on(async {
            let server = Redis::builder().flavor(Flavor::Redis).start().await;
            delayed::measure(&server).await
        }),
        // Each in a process of its own, since a process installs one engine.
        [] => ["redis", "valkey", "delayed"].into_iter().try_for_each(|part| {
            let ended = Command::new(std::env::current_exe()?).arg(part).status()?;
            if ended.success() { Ok(()) } else { Err(format!("{part}: {ended}").into()) }
        }),
        _ => Err("the argument is `redis`, `valkey` or `delayed`, or none for all".into()),
    }
}

fn measure_on(flavor: Flavor) -> Result<(), Box<dyn Error>> {
    let (one_thread, threads) = (runtime(1)?, runtime(64)?);
    let server = threads.block_on(Redis::builder().flavor(flavor).start());
    println!("\n{flavor:?}");
    for keys in [1_000, 1_000_000] {
        threads.block_on(fill(&server.url(), keys))?;
        for what in [What::Execute, What::Replay] {
            for tasks in [1, 64] {
                let plan = Plan { what, tasks, keys, calls: calls(what, tasks) };
                let runtime = if tasks == 1 { &one_thread } else { &threads };
                runtime.block_on(measure(&server.url(), plan))?;
            }
        }
    }
    threads.block_on(wake::measure(&server.url()))
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

async fn measure(url: &str, plan: Plan) -> Result<(), Box<dyn Error>> {
    for no_delay in [false, true] {
        let sides = sides(url, plan, no_delay).await?;
        println!("{}", if no_delay { "With TCP_NODELAY" } else { "Without TCP_NODELAY" });
        compare(&sides, plan).await;
    }
    Ok(())
}

/// Everything that is measured, each with connections of its own.
async fn sides(
    url: &str,
    plan: Plan,
    no_delay: bool,
) -> Result<Vec<Arc<dyn AnySide>>, Box<dyn Error>> {
    let client = client(url, no_delay)?;
    Ok(vec![
        Arc::new(Limit::connect(&client).await?),
        Arc::new(Ours::connect(&client).await?),
        Arc::new(Peer::connect(url).await?),
        match (plan.what, plan.tasks) {
            (What::Execute, _) => Arc::new(Limit::comparing(&client).await?),
            (What::Replay, 1) => Arc::new(Ours::near(&client).await?),
            (What::Replay, _) => Arc::new(Ours::installed(&client).await?),
        },
    ])
}

/// A client whose sockets have `TCP_NODELAY`, or not.
fn client(url: &str, no_delay: bool) -> redis::RedisResult<Client> {
    let settings = TcpSettings::default().set_nodelay(no_delay);
    Client::open(url.into_connection_info()?.set_tcp_settings(settings))
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
