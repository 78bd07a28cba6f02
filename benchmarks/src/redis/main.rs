//! What a call costs on Redis and Valkey, beside the plain commands and the crate `idempotent`.
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin redis
//! ```
//!
//! All sides take turns of a few thousand calls within one run against one server, started here, so
//! noise hits each of them. A figure is the median over the rounds; a ratio is the median of the
//! rounds' own ratios. A store has its four connections, every other side has one, multiplexed; all run
//! on the same runtime, which has as many worker threads as there are cores. Receipts are 177 bytes as
//! JSON, keys 32 bytes.
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
use std::sync::Arc;

use idempotent_servers::{Flavor, Redis};

use self::limit::Limit;
use self::ours::Ours;
use self::peer::Peer;
use self::rounds::{Plan, compare};
use self::side::{Side, What};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("wait") {
        return wake::wait_for_orders(&arguments.next().ok_or("which server?")?).await;
    }
    for flavor in [Flavor::Redis, Flavor::Valkey91] {
        let server = Redis::builder().flavor(flavor).start().await;
        println!("\n{flavor:?}");
        for keys in [1_000, 1_000_000] {
            fill(&server.url(), keys).await?;
            for what in [What::Execute, What::Replay] {
                for tasks in [1, 64] {
                    let sides = sides(&server.url(), what).await?;
                    compare(&sides, Plan { what, tasks, keys }).await;
                }
            }
        }
        wake::measure(&server.url()).await?;
    }
    Ok(())
}

/// Everything that is measured, each with a connection of its own.
async fn sides(url: &str, what: What) -> Result<Vec<Arc<dyn Side>>, Box<dyn Error>> {
    let mut sides: Vec<Arc<dyn Side>> = vec![
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
