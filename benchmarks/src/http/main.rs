//! What a guarded axum route costs beside the bare one, and beside the layer of the crate
//! `idempotent`: in process, and over loopback under the load generator `wrk`.
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin http
//! ```
//!
//! All sides are the same route under another layer, with a store in memory and a scope each, and
//! take turns within one run, in another order each time. A figure is the median over the rounds, and
//! so is what it is more than the bare route's of its round. Processor time is that of all threads
//! here. Bodies are about 200 bytes of JSON in both directions, keys 36 bytes, and replays choose from
//! 1,000 of them. In process a task sends the requests, as a server's connection is one.

mod in_process;
mod loopback;
mod request;
mod sides;

use std::error::Error;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let which = std::env::args().nth(1);
    if which.as_deref() != Some("loopback") {
        in_process::measure().await?;
    }
    if which.as_deref() != Some("in-process") {
        loopback::measure().await?;
    }
    Ok(())
}

/// The middle one, or the upper of the two middle ones.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Nanoseconds of processor time that this process has had, all threads together.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e9 + time.tv_nsec as f64
}
