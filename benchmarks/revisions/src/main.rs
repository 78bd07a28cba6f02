//! What calls on PostgreSQL cost, beside an older revision of the same crate and the plain statements.
//!
//! ```text
//! benchmarks/revisions/run -- [15|18] [durable] [volatile] [latency] [cost]
//! ```
//!
//! `durable` is calls with `fsync` on, `volatile` with it off, `latency` the slowest of one task's calls while many others
//! make theirs, `cost` what a call takes of the server: write-ahead log, processor time, transactions. All sides take
//! turns within one run against one server, each in a database of its own and with ten connections.

mod arguments;
mod cost;
mod current;
mod database;
mod latency;
#[path = "../../src/postgres/limit.rs"]
mod limit;
mod older;
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

use self::arguments::{Arguments, Part};
use self::sides::Sides;
use self::throughput::Pace;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::read()?;
    for version in arguments.versions() {
        for fsync in [true, false] {
            let parts = arguments.parts(fsync);
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
                    Part::Volatile => throughput::measure(&sides, &[64, 1], Pace::Processor).await,
                    Part::Latency => latency::measure(&sides).await,
                    Part::Cost => cost::measure(&sides, &server).await?,
                }
            }
        }
    }
    Ok(())
}
