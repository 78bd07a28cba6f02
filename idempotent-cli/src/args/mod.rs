//! The command line: `cli` is the whole of it, `options` are those of all commands, `filter` says which records, `target`
//! which one, and `consent` what comes with every change, which `agreed` finds. `doctor`, `load` and `migration` are
//! arguments of single commands; `duration` reads times.

mod agreed;
mod cli;
mod consent;
mod doctor;
mod duration;
mod filter;
mod load;
mod migration;
mod options;
mod target;

pub(crate) use self::cli::{
    Cli, Command, Correct, Ending, List, Migrate, Outbox, OutboxAction, Purge, Release, Resolve,
    ResolveStep, Resume, Show, Stats,
};
pub(crate) use self::consent::{Consent, Runs};
pub(crate) use self::doctor::Doctor;
use self::duration::duration;
pub(crate) use self::filter::{Filter, StateName};
pub(crate) use self::load::{Bench, Watch};
pub(crate) use self::migration::{Move, MoveTarget};
pub(crate) use self::options::{Color, Options};
pub(crate) use self::target::Target;
