//! The order of checks on a record that is already there: version, fingerprint, conflict, replay.
//!
//! Every path goes through here, so that none tells a caller more than another would.

use std::time::Duration;

use super::prepare::Prepared;
use crate::error::{Error, ErrorKind};
use crate::record::{Outcome, Record, Token};
use crate::store::{Entry, State};

/// What a duplicate may do about the record it found.
pub(super) enum Standing {
    /// Replay it.
    Completed(Record),
    /// Wait for it, or be refused.
    InProgress { token: Token, remaining: Option<Duration> },
}

/// A running call cannot say when it ends, and most end soon.
const SOON: Duration = Duration::from_secs(1);

impl Prepared {
    pub(super) fn check(&self, entry: Entry) -> Result<Standing, Error> {
        let Entry { record, state, remaining } = entry;
        let (oldest, newest) = self.operation().accept;
        if !(oldest..=newest).contains(&record.version()) {
            return Err(self.incompatible(format!(
                "it has version {}, and this operation reads {oldest} to {newest}",
                record.version()
            )));
        }
        if let (Some(recorded), Some(own)) = (record.fingerprint(), self.fingerprint) {
            if recorded != own {
                return Err(Error::of(ErrorKind::FingerprintMismatch, &self.id));
            }
        }
        match (state, record.outcome()) {
            (State::Indeterminate, _) => Err(Error::of(ErrorKind::Indeterminate, &self.id)
                .detail("its owner was lost; resolve the record once you know what happened")),
            (State::Reserved | State::Lapsed, _) => {
                Ok(Standing::InProgress { token: record.token(), remaining })
            }
            (State::Completed, Outcome::Kept(_)) => Ok(Standing::Completed(record)),
            (State::Completed, Outcome::NotKept(why)) => {
                Err(Error::of(ErrorKind::ResultNotKept, &self.id).detail(why.as_str()))
            }
            (State::Completed, Outcome::Reserved) => {
                Err(self.incompatible("the store calls a reservation completed".to_owned()))
            }
        }
    }

    fn incompatible(&self, why: String) -> Error {
        Error::of(ErrorKind::Incompatible, &self.id).detail(why)
    }

    pub(super) fn in_progress(&self, remaining: Option<Duration>) -> Error {
        let soon = remaining.map_or(SOON, |remaining| remaining.min(SOON));
        Error::of(ErrorKind::InProgress, &self.id).retry_in(Some(soon))
    }
}
