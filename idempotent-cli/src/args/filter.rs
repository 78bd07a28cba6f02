//! Which records a command is about.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};
use idempotent_core::engine::Inspection;
use idempotent_core::store::{Scan, State};

/// Which records a command is about: those that meet all of it.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Only records in these states.
    #[arg(long, value_enum, value_delimiter = ',', value_name = "STATE")]
    pub(crate) state: Vec<StateName>,
    /// Only calls about which somebody must say something: the indeterminate ones, and suspended ones with a step in doubt.
    #[arg(long, conflicts_with = "state")]
    pub(crate) in_doubt: bool,
    /// Only records of this operation.
    #[arg(long, value_name = "NAME")]
    pub(crate) operation: Option<String>,
    /// Only records of this scope, as `show` prints it.
    #[arg(long, value_name = "TEXT")]
    pub(crate) scope: Option<String>,
    /// Only records with this text in their key.
    #[arg(long, value_name = "TEXT")]
    pub(crate) matching: Option<String>,
    /// Only records that were reserved longer ago than this, by their owners' clocks: 15m, 2h, 3days. A recovery that resumes
    /// a call reserves it anew.
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub(crate) older_than: Option<Duration>,
    /// Only records that were reserved within this time.
    #[arg(long, value_parser = super::duration, value_name = "DURATION")]
    pub(crate) newer_than: Option<Duration>,
}

/// The states of records, as they are written and printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(crate) enum StateName {
    /// A call runs, as far as the store can tell.
    #[value(alias = "running")]
    Reserved,
    /// A reservation under at-least-once whose lease has lapsed: the key is free.
    Lapsed,
    /// A call with steps that nobody runs: its next caller resumes it.
    Suspended,
    /// Nobody knows what the call did: somebody must resolve it.
    Indeterminate,
    /// The call has ended.
    Completed,
}

impl StateName {
    /// The name of a state; `None` if the library knows one that this command does not.
    pub(crate) const fn of(state: State) -> Option<Self> {
        match state {
            State::Reserved => Some(Self::Reserved),
            State::Lapsed => Some(Self::Lapsed),
            State::Suspended => Some(Self::Suspended),
            State::Indeterminate => Some(Self::Indeterminate),
            State::Completed => Some(Self::Completed),
            _ => None,
        }
    }

    pub(crate) const fn state(self) -> State {
        match self {
            Self::Reserved => State::Reserved,
            Self::Lapsed => State::Lapsed,
            Self::Suspended => State::Suspended,
            Self::Indeterminate => State::Indeterminate,
            Self::Completed => State::Completed,
        }
    }

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Lapsed => "lapsed",
            Self::Suspended => "suspended",
            Self::Indeterminate => "indeterminate",
            Self::Completed => "completed",
        }
    }
}

impl Filter {
    /// The scan that finds these records, and others that [`matches`](Self::matches) drops.
    pub(crate) fn scan(&self) -> Scan {
        let mut scan = Scan::in_doubt();
        if !self.in_doubt {
            scan = Scan::all();
            scan.states = self.state.iter().map(|name| name.state()).collect();
        }
        scan.operation = self.operation.clone();
        scan
    }

    /// Whether it is about fewer than all records.
    pub(crate) const fn is_given(&self) -> bool {
        !self.state.is_empty()
            || self.in_doubt
            || self.operation.is_some()
            || self.scope.is_some()
            || self.matching.is_some()
            || self.older_than.is_some()
            || self.newer_than.is_some()
    }

    /// Whether it is about this record.
    pub(crate) fn matches(&self, seen: &Inspection, now: SystemTime) -> bool {
        let age = now.duration_since(seen.created()).unwrap_or_default();
        self.scope.as_deref().is_none_or(|scope| seen.scope() == Some(scope))
            && self
                .matching
                .as_deref()
                .is_none_or(|text| seen.key().is_some_and(|key| key.contains(text)))
            && self.older_than.is_none_or(|limit| age > limit)
            && self.newer_than.is_none_or(|limit| age <= limit)
    }
}
