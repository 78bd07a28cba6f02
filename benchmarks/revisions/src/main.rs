//! What calls cost, beside an older revision of the same crate, the plain statements and other crates.
//!
//! ```text
//! benchmarks/revisions/run -- [15|18] [durable] [volatile] [latency] [cost] [memory] [redis]
//! ```
//!
//! On PostgreSQL `durable` is calls with `fsync` on, `volatile` with it off, `latency` the slowest of one task's calls while
//! many others make theirs, `cost` what a call takes of the server: write-ahead log, processor time, statements. All sides
//! take turns within one run against one server, each in a database of its own and with ten connections. For one task set
//! `TOKIO_WORKER_THREADS=1`: with more, chance decides whether a statement and its answer go from one thread to another.
//!
//! `memory` and `redis` are calls beside the crates `idempotent` and `cached`: one task on a runtime of one thread, 64 on one
//! that has as many worker threads as there are cores.

mod arguments;
mod cost;
mod current;
mod database;
mod latency;
#[path = "../../src/postgres/limit.rs"]
mod limit;
mod older;
mod peers;
#[path = "../../src/shared/receipt.rs"]
mod receipt;
#[allow(dead_code, reason = "this program compares in its own way")]
#[path = "../../src/shared/rounds.rs"]
mod rounds;
#[path = "../../src/shared/side.rs"]
mod side;
mod sides;
mod throughput;

use std::error::Error;

use idempotent_servers::Postgres;
use tokio::runtime::Builder;

use self::arguments::{Arguments, Part};
use self::sides::Sides;
use self::throughput::Pace;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    let one_thread = Builder::new_current_thread().enable_all().build()?;
    let threads = Builder::new_multi_thread().enable_all().build()?;
    if arguments.has(Part::Memory) {
        peers::measure_in_memory(&one_thread, &threads)?;
    }
    if arguments.has(Part::Redis) {
        peers::measure_on_redis(&one_thread, &threads)?;
    }
    threads.block_on(on_postgres(&arguments))
}

async fn on_postgres(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    for version in arguments.versions() {
        for fsync in [true, false] {
            let parts = arguments.on_postgres(fsync);
            if parts.is_empty() {
                continue;
            }
            println!("\n{version:?}, fsync {}", if fsync { "on" } else { "off" });
            let builder = Postgres::builder().version(version).fsync(fsync);
            let server = builder.arg("max_connections", "200").start().await;
            let sides = Sides::connect(&server).await?;
            for part in parts {
                match part {
                    Part::Durable => throughput::measure(&sides, &[256, 64, 1], Pace::Disk).await,
                    Part::Latency => latency::measure(&sides).await,
                    Part::Cost => cost::measure(&sides, &server).await?,
                    _ => throughput::measure(&sides, &[64, 1], Pace::Processor).await,
                }
            }
        }
    }
    Ok(())
}
