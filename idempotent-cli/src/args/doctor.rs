//! Arguments of `doctor`.

use std::time::Duration;

use clap::Args;
use clap::builder::RangedU64ValueParser;

/// Arguments of `doctor`.
#[derive(Args, Debug)]
pub(crate) struct Doctor {
    /// Ends with code 8 for notes too, and if the server does not tell all: for deployments.
    #[arg(long)]
    pub(crate) strict: bool,
    /// Compares how long results are kept, by a sample of them, with how late the same message or request may come again.
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub(crate) redelivery: Option<Duration>,
    /// The longest time for which nobody calls: if the newest record is older, the store may have been restored from a backup.
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub(crate) newest: Option<Duration>,
    /// How many connections each process of the application may open, the store's `max_connections` or those of its pool:
    /// whether the server has as many, and those that renew leases and listen (PostgreSQL).
    #[arg(long, value_name = "COUNT", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub(crate) pool: Option<u32>,
    /// With --pool: how many processes the application has.
    #[arg(long, requires = "pool", default_value_t = 1, value_name = "COUNT", value_parser = RangedU64ValueParser::<u32>::new().range(1..=1_000_000))]
    pub(crate) processes: u32,
    /// The shortest lease of the application's operations: whether there is time to renew it again if the store does not
    /// answer, or fails over.
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub(crate) lease: Option<Duration>,
    /// The `response_timeout` of the application's store.
    #[arg(
        long,
        value_parser = super::duration,
        value_name = "DURATION",
        help = "The response_timeout of the application's store [default: 1s, and 2s in SQLite]"
    )]
    pub(crate) response_timeout: Option<Duration>,
}
