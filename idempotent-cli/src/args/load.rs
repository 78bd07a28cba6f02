//! Arguments of `bench` and `watch`.

use std::time::Duration;

use clap::Args;

/// Arguments of `bench`.
#[derive(Args, Debug)]
pub(crate) struct Bench {
    /// How many tasks call the store at once.
    #[arg(long, default_value_t = 16, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) tasks: u16,
    /// How long it measures, in seconds. It purges its records after that.
    #[arg(long, default_value_t = 8, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(1..=600))]
    pub(crate) seconds: u16,
    /// How large the results are, in bytes.
    #[arg(long, default_value_t = 200, value_name = "BYTES", value_parser = clap::value_parser!(u32).range(0..=1_048_576))]
    pub(crate) result_bytes: u32,
    /// Does not ask whether the store may be loaded.
    #[arg(short, long)]
    pub(crate) yes: bool,
}

/// Arguments of `watch`.
#[derive(Args, Debug)]
pub(crate) struct Watch {
    /// Only calls of this operation.
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
    /// Looks so often; less often if one look takes longer.
    #[arg(long, default_value = "2s", value_parser = super::duration, value_name = "DURATION")]
    pub(crate) every: Duration,
    /// Ends after so many looks.
    #[arg(short = 'n', long, value_name = "COUNT")]
    pub(crate) looks: Option<u64>,
    /// Reads as fast as the store answers, at the expense of those who use it meanwhile.
    #[arg(long)]
    pub(crate) fast: bool,
}
