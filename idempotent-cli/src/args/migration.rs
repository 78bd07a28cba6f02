//! Arguments of `move`.

use std::path::PathBuf;

use clap::Args;

use super::Consent;

/// Arguments of `move`.
#[derive(Args, Debug)]
pub(crate) struct Move {
    /// The old store [default: --store]. The options of all commands are about it.
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    #[command(flatten)]
    pub(crate) target: MoveTarget,
    /// Repeats it until nothing is left: calls that run have ended, and indeterminate ones are resolved. Ends with code 8
    /// once all that is left needs somebody: conflicts, suspended calls, and what cannot be read or has no expiry.
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) until_done: bool,
    /// Copies as fast as the stores answer, at the expense of those who use them meanwhile.
    #[arg(long)]
    pub(crate) fast: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// The store to which records are moved. Its fields are not called as the options of all commands, which would then be
/// about this store.
#[derive(Args, Clone, Debug)]
pub(crate) struct MoveTarget {
    /// The new store.
    #[arg(long, value_name = "URL", env = "IDEMPOTENT_TO", hide_env_values = true)]
    pub(crate) to: String,
    /// Logs in there as this user, in place of the URL's.
    #[arg(long, value_name = "NAME")]
    pub(crate) to_username: Option<String>,
    /// Logs in there with the password or token in this file.
    #[arg(
        long,
        value_name = "FILE",
        help = "Logs in there with the password or token in this file; without it, with $IDEMPOTENT_TO_PASSWORD"
    )]
    pub(crate) to_password_file: Option<PathBuf>,
    /// Trusts the certificate authorities in this PEM file there (Redis).
    #[arg(long, value_name = "FILE")]
    pub(crate) to_ca_file: Option<PathBuf>,
    /// What the store's keys begin with there, in Redis [default: idem:]
    #[arg(long, value_name = "TEXT")]
    pub(crate) to_prefix: Option<String>,
    /// The schema of the store's tables there, in PostgreSQL [default: idempotent]
    #[arg(long, value_name = "NAME")]
    pub(crate) to_schema: Option<String>,
    /// The store's table there.
    #[arg(
        long,
        value_name = "NAME",
        help = "The store's table there [default: records in PostgreSQL, idempotent_records in SQLite]"
    )]
    pub(crate) to_table: Option<String>,
}
