//! The log, on stderr: warnings of the library, and the audit lines.

use std::io;

use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The target of audit lines, which are always logged.
pub(crate) const AUDIT: &str = "idempotent::audit";

/// Installs it: warnings and errors, with `-v` more, with `-vv` all.
pub(crate) fn install(verbose: u8) {
    let level = match verbose {
        0 => Level::WARN,
        1 => Level::INFO,
        _ => Level::DEBUG,
    };
    let durability = if verbose == 0 { Level::ERROR } else { level };
    let targets = Targets::new()
        // A list is no place to warn of what the server keeps.
        .with_target("idempotent_core::backends::redis::server_check", durability)
        // What it warns of, the command's own error says.
        .with_target("redis", durability)
        // A slow statement is all of its SQL.
        .with_target("sqlx", durability)
        .with_default(level)
        .with_target(AUDIT, Level::INFO);
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false);
    // Fails only if there is one already.
    let _ = tracing_subscriber::registry().with(lines).with(targets).try_init();
}
