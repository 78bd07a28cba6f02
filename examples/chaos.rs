//! Breaks workers and servers while they run idempotent operations, and checks what the stores
//! promise.
//!
//! Run it with `cargo run --release --example chaos`, and with `-- --help` for what else it does. It
//! starts its own servers. Everything is in the package `idempotent-chaos`.

use std::process::ExitCode;

fn main() -> ExitCode {
    idempotent_chaos::main()
}
