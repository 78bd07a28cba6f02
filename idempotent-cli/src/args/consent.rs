//! What comes with every change: who agrees, and why.

use clap::Args;

/// What comes with every change.
#[derive(Args, Clone, Debug)]
pub(crate) struct Consent {
    /// Does not ask. Needs --reason.
    #[arg(short, long)]
    pub(crate) yes: bool,
    /// Shows what would be changed, and changes nothing.
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Why, for the audit line: a ticket, for instance.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Who, for the audit line [default: the user of this machine]
    #[arg(long, env = "IDEMPOTENT_OPERATOR", hide_env_values = true, value_name = "NAME")]
    pub(crate) operator: Option<String>,
}
