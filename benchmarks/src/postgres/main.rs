//! What a call costs on PostgreSQL, beside the plain statements.
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin postgres
//! ```
//!
//! All sides take turns of some thousand calls within one run against one server, started here with
//! `fsync` off, so that the disk is not what is measured. A figure is the median over the rounds; a
//! ratio is the median of the rounds' own ratios. Every side has a pool of ten connections and runs on
//! the same runtime, which has as many worker threads as there are cores. Receipts are 177 bytes as
//! JSON, keys 32 bytes.

mod limit;
mod ours;
#[path = "../shared/receipt.rs"]
mod receipt;
#[path = "../shared/rounds.rs"]
mod rounds;
#[path = "../shared/side.rs"]
mod side;
mod wake;

use std::error::Error;
use std::sync::Arc;

use idempotent_servers::{Postgres, PostgresVersion};

use self::limit::Limit;
use self::ours::Ours;
use self::rounds::{Plan, compare};
use self::side::{Side, What};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    for version in [PostgresVersion::Distribution, PostgresVersion::V18] {
        let server = Postgres::builder().version(version).start().await;
        println!("\n{version:?}");
        let sides: [Arc<dyn Side>; 3] = [
            Arc::new(Limit::connect(&server.url()).await?),
            Arc::new(Ours::connect(&server.url()).await?),
            Arc::new(Ours::near(&server.url()).await?),
        ];
        for keys in [0, 1_000_000] {
            fill(&server, keys).await;
            for tasks in [1, 64] {
                compare(&sides[..2], Plan { what: What::Execute, tasks, keys }).await;
                compare(&sides, Plan { what: What::Replay, tasks, keys }).await;
            }
        }
        wake::measure(&server.url()).await?;
    }
    Ok(())
}

/// Brings each table to so many results more.
async fn fill(server: &Postgres, results: u64) {
    let statement = format!(
        "INSERT INTO plain (key, token, result, expires_at)
         SELECT 'filler-' || n, sha256(n::text::bytea), repeat('x', 200)::bytea, now() + '1 day'
         FROM generate_series(1, {results}) AS n;
         INSERT INTO idempotent.records
             (expires_at, retention, guarantee, id, token, operation, record)
         SELECT now() + '1 day', '30 days', 0, sha256(n::text::bytea), sha256(n::text::bytea),
             'filler', repeat('x', 300)::bytea
         FROM generate_series(1, {results}) AS n"
    );
    for statement in statement.split(';') {
        // A text of its own, since the harness waits for an answer for some seconds only.
        for part in 0..10 {
            let from = 1 + results / 10 * part;
            let to = results / 10 * (part + 1);
            let range = format!("generate_series({from}, {to})");
            server.sql(&statement.replace(&format!("generate_series(1, {results})"), &range)).await;
        }
    }
    server.sql("VACUUM ANALYZE").await;
}
