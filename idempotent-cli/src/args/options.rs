//! The options of all commands.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

/// The options of all commands.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Options of all commands")]
pub(crate) struct Options {
    /// The store: see `idempotent --help`.
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_STORE",
        value_name = "URL",
        hide_env_values = true
    )]
    pub(crate) store: Option<String>,
    /// Whether the store is from the environment, although somebody has named a configuration file.
    #[arg(skip)]
    pub(crate) is_store_from_environment: bool,
    /// Reads options from this file, in TOML, under the same names [default: ~/.config/idempotent/config.toml]
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_CONFIG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) config: Option<PathBuf>,
    /// Logs in as this user, in place of the URL's.
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_USERNAME",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) username: Option<String>,
    /// Logs in with the password or token in this file, which is read again whenever a connection is opened.
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_PASSWORD_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) password_file: Option<PathBuf>,
    /// The engine's secret, if it has one: 64 hex digits, base64, or 32 bytes.
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_SECRET_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) secret_file: Option<PathBuf>,
    /// The engine's authentication secret, if it has one of its own.
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_AUTHENTICATION_SECRET_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) authentication_secret_file: Option<PathBuf>,
    /// Trusts the certificate authorities in this PEM file, in place of the system's (Redis; for PostgreSQL write
    /// `sslrootcert` in the URL).
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_CA_FILE",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) ca_file: Option<PathBuf>,
    /// What the store's keys begin with, in Redis [default: idem:]
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_PREFIX",
        hide_env_values = true,
        value_name = "TEXT"
    )]
    pub(crate) prefix: Option<String>,
    /// The schema of the store's tables, in PostgreSQL [default: idempotent]
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_SCHEMA",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) schema: Option<String>,
    /// The store's table.
    #[arg(
        help = "The store's table [default: records in PostgreSQL, idempotent_records in SQLite]",
        long,
        global = true,
        env = "IDEMPOTENT_TABLE",
        hide_env_values = true,
        value_name = "NAME"
    )]
    pub(crate) table: Option<String>,
    /// The longest that one request to the store may take.
    #[arg(long, global = true, default_value = "5s", value_parser = super::duration, value_name = "DURATION")]
    pub(crate) timeout: Duration,
    /// Appends an audit line for each change to this file.
    #[arg(
        long,
        global = true,
        env = "IDEMPOTENT_AUDIT_LOG",
        hide_env_values = true,
        value_name = "FILE"
    )]
    pub(crate) audit_log: Option<PathBuf>,
    /// Writes the result that a call gets into the audit line, too: whoever reads the file may read it.
    #[arg(long, global = true)]
    pub(crate) audit_results: bool,
    /// Prints JSON, one document a line. Its schema is in the package: schema/output.json.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// When to use colours.
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(crate) color: Color,
    /// Logs more: -v, -vv.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// When to use colours.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless the environment says otherwise.
    #[value(help = "On a terminal, unless $NO_COLOR is set")]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}
