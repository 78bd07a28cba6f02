//! The command line: `cli` is the whole of it with the options of all commands, `filter` says which records, `target`
//! which one, and `consent` what comes with every change.

mod cli;
mod consent;
mod filter;
mod target;

pub(crate) use self::cli::Options;
pub(crate) use self::cli::{
    Cli, Color, Command, Correct, Ending, List, Migrate, Outbox, OutboxAction, Purge, Release,
    Resolve, Show, Stats,
};
pub(crate) use self::consent::Consent;
pub(crate) use self::filter::{Filter, StateName};
pub(crate) use self::target::Target;
