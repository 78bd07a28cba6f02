//! Money between accounts, exactly once: worker processes make the same transfers through one
//! PostgreSQL, while they and the server are killed, also at single steps of their calls, and calls are
//! dropped half way.
//!
//! Run it with `cargo run -p idempotent-chaos --bin transfer`, and `-- --transfers 7000 --step-kills 69`
//! for as long as you like. It starts its own server. The transfer itself is in `src/transfer/bank.rs`.

use std::process::ExitCode;

fn main() -> ExitCode {
    idempotent_chaos::transfer::main()
}
