//! Breaks workers and servers while they run idempotent operations, and checks what the stores
//! promise. `--help` says what it does, and README.md what a row is and how a verdict is made.

use std::process::ExitCode;

fn main() -> ExitCode {
    idempotent_chaos::main()
}
