//! The checks of an existing record, in their order: authenticity, version, fingerprint, state.
//!
//! Every path goes through here, so that no path tells a caller more than another.

use std::time::Duration;

use super::acquired::CompletedRecord;
use super::prepare::Prepared;
use crate::error::{Error, ErrorKind};
use crate::model::{Outcome, OwnerState, Token};
use crate::store::{Entry, State};

/// What a duplicate found.
pub(super) enum Found {
    /// A result to replay.
    Completed(CompletedRecord),
    /// A running call: the duplicate waits for it, or is refused.
    InProgress { token: Token, remaining: Option<Duration> },
}

/// When to retry: a running call cannot say when it ends, and most end soon.
const SOON: Duration = Duration::from_secs(1);

const OWNER_LOST: &str =
    "its owner was lost; resolve the record once you know whether it took effect";

const ENDED_UNKNOWN: &str = "it ended without knowing whether it took effect; resolve the record \
                             once you know";

const PARKED: &str = "it is parked: recovery could not finish it, and nothing goes on with it until somebody resumes it, \
                      with `Idempotency::resume` or the command `idempotent resume`";

const WAITS_FOR_STEPS: &str = "a step of it is in doubt; resolve the step once you know what it did, with \
                               `Idempotency::resolve_step` or the command `idempotent resolve-step`";

impl Prepared {
    /// What an entry of the store means for this call.
    #[inline]
    pub(super) fn check(&self, entry: Entry) -> Result<Found, Error> {
        let Entry { record, state, remaining } = entry;
        self.engine.authenticate(&self.id, &record)?;
        let (oldest, newest) = self.operation().accept;
        if !(oldest..=newest).contains(&record.version()) {
            return Err(self.incompatible(format!(
                "it has version {}, but this operation reads versions {oldest} to {newest}",
                record.version()
            )));
        }
        if let (Some(recorded), Some(own)) = (record.fingerprint(), self.fingerprint) {
            if recorded != own {
                return Err(Error::of(ErrorKind::FingerprintMismatch, &self.id));
            }
        }
        match state {
            State::Indeterminate => {
                let why = match record.owner_state() {
                    _ if record.is_parked() => PARKED,
                    _ if record.waits_for_steps() => WAITS_FOR_STEPS,
                    OwnerState::Abandoned => ENDED_UNKNOWN,
                    OwnerState::Running | OwnerState::Held => OWNER_LOST,
                };
                Err(Error::of(ErrorKind::Indeterminate, &self.id).detail(why))
            }
            State::Reserved | State::Lapsed | State::Suspended => match record.owner_state() {
                OwnerState::Held => Err(self.held(remaining)),
                OwnerState::Running | OwnerState::Abandoned => {
                    Ok(Found::InProgress { token: record.token(), remaining })
                }
            },
            // Where the result is, a replay looks itself.
            State::Completed if record.has_result() => {
                Ok(Found::Completed(CompletedRecord { id: self.id.clone(), record }))
            }
            State::Completed => {
                match record.outcome() {
                    Outcome::NotKept(why) => {
                        Err(Error::of(ErrorKind::ResultNotKept, &self.id).detail(why.as_str()))
                    }
                    Outcome::Reserved | Outcome::Kept(_) => Err(self
                        .incompatible("the store reports a reservation as completed".to_owned())),
                }
            }
        }
    }

    /// What a completed record in this process's memory means for this call.
    #[inline]
    pub(super) fn check_local(&self, entry: Entry) -> Result<CompletedRecord, Error> {
        match self.check(entry)? {
            Found::Completed(completed) => Ok(completed),
            Found::InProgress { .. } => {
                Err(self.incompatible("the store's local record is not completed".to_owned()))
            }
        }
    }

    pub(super) fn incompatible(&self, why: String) -> Error {
        Error::of(ErrorKind::Incompatible, &self.id).detail(why)
    }

    fn held(&self, remaining: Option<Duration>) -> Error {
        let error = Error::of(ErrorKind::Held, &self.id);
        match remaining {
            Some(left) => error.detail(format!("{} ms are left", left.as_millis())),
            None => error,
        }
        .retry_in(Some(remaining.unwrap_or(SOON)))
    }

    /// The error of a duplicate whose owner ended while it waited, and does not know what it did.
    pub(super) fn owner_failed(&self, retry_after: Option<Duration>) -> Error {
        Error::of(ErrorKind::OwnerFailed, &self.id).retry_in(Some(retry_after.unwrap_or(SOON)))
    }

    /// The error of a body that calls itself with its own key.
    pub(super) fn own_call(&self) -> Error {
        self.in_progress(None).detail(
            "this call is made by the body of the call that holds the key, which would wait for \
             itself",
        )
    }

    pub(super) fn in_progress(&self, remaining: Option<Duration>) -> Error {
        let soon = remaining.map_or(SOON, |remaining| remaining.min(SOON));
        Error::of(ErrorKind::InProgress, &self.id).retry_in(Some(soon))
    }
}
