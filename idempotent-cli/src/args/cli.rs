//! The whole command line.

use std::time::Duration;

use clap::parser::ValueSource;
use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use clap_complete::Shell;

use super::{Bench, Consent, Doctor, Filter, Move, Options, Runs, Target, Watch};

/// The whole command line.
#[derive(Debug, Parser)]
#[command(name = "idempotent", version, about = ABOUT, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) options: Options,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const ABOUT: &str = "Looks at the records of idempotent-core in Redis, Valkey, PostgreSQL or SQLite, and settles \
     calls whose outcome nobody knows";

const AFTER_HELP: &str = "\
Stores:
  redis://HOST:PORT/DB              one Redis or Valkey server (TLS: rediss://,
                                    socket: unix:///PATH)
  redis+sentinel://HOST,HOST/GROUP  a group that Sentinel watches
                                    (TLS: rediss+sentinel://)
  redis+cluster://HOST,HOST         a Redis Cluster (TLS: rediss+cluster://)
  postgres://USER@HOST/DATABASE     PostgreSQL
  sqlite:PATH                       a file of SQLite

Keep secrets off the command line, which everybody on the machine can read: a
password goes into $IDEMPOTENT_PASSWORD or --password-file, the engine's secret
into $IDEMPOTENT_SECRET or --secret-file.

Exit codes:
    0  done                          5  the store is not available
    1  failed                        6  not confirmed, nothing changed
    2  wrong arguments               7  the record cannot be read,
    3  not found                        or is not authentic
    4  refused: it has changed,      8  doctor found something
       or its state does not            or move has left something
       allow it                      9  it may be changed: audit log
                                        or output failed
                                   130  interrupted";

impl Cli {
    /// Reads it, or ends the process with what is wrong with it.
    pub(crate) fn from_command_line() -> Self {
        let matches = Self::command().get_matches();
        let mut cli = Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
        let is_from = |option, source| matches.value_source(option) == Some(source);
        cli.options.is_store_from_environment = is_from("store", ValueSource::EnvVariable)
            && is_from("config", ValueSource::CommandLine);
        cli
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Lists records, as they are found.
    List(List),
    /// Shows one record with its result.
    Show(Show),
    /// Counts records, bytes and ages, by operation.
    Stats(Stats),
    /// Shows what has not ended, again and again.
    Watch(Watch),
    /// Says what a call turned out to be whose outcome nobody knows.
    Resolve(Resolve),
    /// Says what a step of a call turned out to be that is in doubt, so that the call goes on.
    ResolveStep(ResolveStep),
    /// Replaces what a call was resolved to, if that was wrong.
    Correct(Correct),
    /// Replaces what was said of a step, if that was wrong.
    CorrectStep(ResolveStep),
    /// Has a call go on that recovery has parked, or that waits for its next caller.
    Resume(Resume),
    /// Frees the key of a running call whose owner is dead, before its lease lapses.
    Release(Release),
    /// Removes records: the next call with their keys runs its body again.
    Purge(Purge),
    /// Creates or migrates the store's tables.
    #[command(
        about = "Creates or migrates the tables of PostgreSQL or SQLite",
        long_about = "Creates or migrates the tables of PostgreSQL or SQLite. With --dry-run it prints the SQL of the \
                            versions that have not run yet"
    )]
    Migrate(Migrate),
    /// Copies results to another store, while both are in use, and says what is left.
    #[command(name = "move")]
    Move(Move),
    /// Looks at messages that the outbox has parked, and decides about them (PostgreSQL).
    Outbox(Outbox),
    /// Looks for what makes the store's guarantees weaker than they seem.
    Doctor(Doctor),
    /// Measures what calls cost on this store, and purges what it wrote.
    Bench(Bench),
    /// Prints completions for a shell.
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Prints the man page: idempotent man | man -l -
    Man,
}

/// Arguments of `list`.
#[derive(Args, Debug)]
pub(crate) struct List {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Stops after so many records.
    #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) limit: Option<u64>,
    /// Reads as fast as the store answers, at the expense of those who use it meanwhile.
    #[arg(long)]
    pub(crate) fast: bool,
}

/// Arguments of `show`.
#[derive(Args, Debug)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Prints the keys too that the call and its steps send to the system that the application derives them for with this
    /// label: to search for there.
    #[arg(long, value_name = "LABEL")]
    pub(crate) derive: Vec<String>,
}

/// Arguments of `stats`.
#[derive(Args, Debug)]
pub(crate) struct Stats {
    #[command(flatten)]
    pub(crate) filter: Filter,
    /// Reads as fast as the store answers, at the expense of those who use it meanwhile.
    #[arg(long)]
    pub(crate) fast: bool,
}

/// How a call ended. JSON is taken as it stands, from a file (`@FILE`), or from stdin (`@-`).
#[derive(Args, Debug)]
#[group(multiple = false)]
pub(crate) struct Ending {
    /// The effect happened: retries replay this `Ok`, or this response of an HTTP layer.
    #[arg(long, value_name = "JSON|@FILE|@-")]
    pub(crate) happened: Option<String>,
    /// The call failed for good: retries replay this `Err`. The operation must memoize errors.
    #[arg(long, value_name = "JSON|@FILE|@-")]
    pub(crate) failed: Option<String>,
}

/// Arguments of `resolve`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("said").required(true).args(["happened", "failed", "never_happened_and_owner_is_dead"]))]
pub(crate) struct Resolve {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) ending: Ending,
    /// The effect did not happen, its owner is dead, and no request of it is on its way: retries run the body.
    #[arg(long)]
    pub(crate) never_happened_and_owner_is_dead: bool,
    /// The JSON is a response, {"status": 201, "headers": {…}, "body": …}, of an HTTP layer. Records of
    /// at-most-once layers say so themselves.
    #[arg(long)]
    pub(crate) response: bool,
    /// How long retries replay it, from now on [default: 24h]
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub(crate) keep_for: Option<Duration>,
    #[command(flatten)]
    pub(crate) runs: Runs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Arguments of `resolve-step` and `correct-step`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("said").required(true).args(["happened", "never_happened_and_owner_is_dead"]))]
pub(crate) struct ResolveStep {
    #[command(flatten)]
    pub(crate) target: Target,
    /// The step, as `show` and the last error name it: its name, with its key in brackets if it has one, or behind a slash;
    /// or the first digits of its id.
    #[arg(long, value_name = "NAME|NAME[KEY]|ID")]
    pub(crate) step: String,
    /// It happened: the next run gets this `Ok` in its place. JSON as it stands, from a file (`@FILE`), or from stdin
    /// (`@-`).
    #[arg(long, value_name = "JSON|@FILE|@-")]
    pub(crate) happened: Option<String>,
    /// It did not happen, its owner is dead, and no request of it is on its way: the next run runs it.
    #[arg(long, visible_alias = "never-happened")]
    pub(crate) never_happened_and_owner_is_dead: bool,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Arguments of `correct`.
#[derive(Args, Debug)]
#[command(group = clap::ArgGroup::new("said").required(true).args(["happened", "failed"]))]
pub(crate) struct Correct {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) ending: Ending,
    /// The JSON is a response, {"status": 201, "headers": {…}, "body": …}, of an HTTP layer.
    #[arg(long)]
    pub(crate) response: bool,
    /// How long retries replay it, from now on [default: 24h]
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub(crate) keep_for: Option<Duration>,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Arguments of `resume`.
#[derive(Args, Debug)]
pub(crate) struct Resume {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Arguments of `release`.
#[derive(Args, Debug)]
pub(crate) struct Release {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) runs: Runs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Arguments of `purge`.
#[derive(Args, Debug)]
pub(crate) struct Purge {
    #[command(flatten)]
    pub(crate) target: Target,
    /// Removes all records of --operation, or of --scope, or of both. Unless --state says otherwise, those that are
    /// completed or lapsed: a call that still runs would run twice, and one whose outcome nobody knows would be
    /// forgotten.
    #[arg(long, conflicts_with_all = ["record", "key"])]
    pub(crate) all: bool,
    /// Removes a record too that a newer version wrote, which this command cannot read and others can.
    #[arg(long, conflicts_with = "all")]
    pub(crate) unknown_layout: bool,
    /// With --all: the states of the records to remove.
    #[arg(long, value_enum, value_delimiter = ',', requires = "all", value_name = "STATE")]
    pub(crate) state: Vec<super::StateName>,
    /// With --all and --yes: the most records that may be removed. If more match, none is.
    #[arg(long, requires = "all", value_name = "COUNT")]
    pub(crate) expect: Option<u64>,
    /// With --all: reads as fast as the store answers, at the expense of those who use it meanwhile.
    #[arg(long, requires = "all")]
    pub(crate) fast: bool,
    #[command(flatten)]
    pub(crate) runs: Runs,
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Arguments of `migrate`.
#[derive(Args, Debug)]
pub(crate) struct Migrate {
    #[command(flatten)]
    pub(crate) consent: Consent,
}

/// Arguments of `outbox`.
#[derive(Args, Debug)]
pub(crate) struct Outbox {
    #[command(subcommand)]
    pub(crate) action: OutboxAction,
}

/// What to do with the outbox.
#[derive(Debug, Subcommand)]
pub(crate) enum OutboxAction {
    /// Lists the parked messages, in the order in which they were published, after a line on the backlog.
    List {
        /// Stops after so many messages.
        #[arg(short = 'n', long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
    },
    /// Shows one parked message with its headers and its payload.
    Show {
        /// The message's id.
        id: String,
    },
    /// Delivers a parked message after all, before the pending ones of its key.
    Retry {
        /// The message's id.
        id: String,
        #[command(flatten)]
        consent: Consent,
    },
    /// Deletes a parked message: nobody will ever receive it.
    Discard {
        /// The message's id.
        id: String,
        #[command(flatten)]
        consent: Consent,
    },
}
