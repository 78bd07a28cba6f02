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

/// What comes with changes of calls that may run.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Runs {
    /// Goes on although the call runs, or may: without it the record is looked at a second time, and if its owner has
    /// renewed its lease meanwhile, nothing is changed.
    #[arg(long)]
    pub(crate) although_it_runs: bool,
}
