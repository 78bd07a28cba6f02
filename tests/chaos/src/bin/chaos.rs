//! The harness as a program. `--help` says what it does.

use std::process::ExitCode;

fn main() -> ExitCode {
    idempotent_chaos::main()
}
