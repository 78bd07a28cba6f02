//! What a call of ten steps costs, and a call that resumes over ten thousand, beside the same by hand.
//!
//! ```text
//! cargo run --release --ignore-rust-version --manifest-path benchmarks/Cargo.toml --bin steps -- [memory] [redis] [postgres] [resume]
//! ```
//!
//! All sides take turns within one run against one server, started here, so noise hits each of them. A figure is the
//! median over the rounds; a ratio is the median of the rounds' own ratios, with its quartiles. Every step, and the
//! call, gives a receipt of 177 bytes as JSON; keys are 32 bytes.
//!
//! On PostgreSQL `fsync` is on, as nobody would keep journals without it, and each side has ten connections; the crate
//! `durare` has one more, on which it listens. One task runs on a runtime of one thread.
//!
//! `--ignore-rust-version` is for other crates, which ask for a newer compiler than they need.

mod by_hand;
mod memory;
mod ours;
mod peer;
mod postgres;
#[path = "../shared/receipt.rs"]
mod receipt;
mod redis;
mod resume;
#[path = "../shared/rounds.rs"]
#[allow(dead_code, reason = "only its medians are of use here")]
mod rounds;
#[path = "../shared/side.rs"]
#[allow(dead_code, reason = "for the rounds")]
mod side;
mod turns;

use std::error::Error;
use std::io;

use tokio::runtime::{Builder, Runtime};

/// The steps of a call.
const STEPS: [&str; 10] = [
    "reserve_stock",
    "check_fraud",
    "authorize",
    "capture",
    "invoice",
    "print_label",
    "ship",
    "notify",
    "loyalty",
    "archive",
];

const PARTS: [&str; 4] = ["memory", "redis", "postgres", "resume"];

fn main() -> Result<(), Box<dyn Error>> {
    let parts: Vec<String> = std::env::args().skip(1).collect();
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(&part.as_str())) {
        return Err(format!("what is `{unknown}`?").into());
    }
    for part in PARTS.iter().filter(|part| parts.is_empty() || parts.iter().any(|it| it == *part)) {
        match *part {
            "memory" => [1, 64].into_iter().try_for_each(memory::measure)?,
            "redis" => redis::measure()?,
            "postgres" => postgres::measure()?,
            _ => resume::measure()?,
        }
    }
    Ok(())
}

/// One task has a runtime of one thread: with more, chance decides whether its requests and their answers go from one
/// to another.
fn runtime(tasks: u64) -> io::Result<Runtime> {
    let mut builder =
        if tasks == 1 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
    builder.enable_all().build()
}
