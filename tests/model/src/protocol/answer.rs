//! [`Answer`]: what the store answers to a request.

use super::config::Config;
use super::request::Request;
use super::state::State;
use super::store::{reserve, resume};
use super::writes::write_once_let_in;

/// What the store answers to a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Answer {
    /// To a reserve or resume: the reservation is the caller's.
    Won,
    /// To a reserve: the call is suspended, and may be resumed from what was seen.
    Suspended {
        /// The run whose token the record has.
        token: u8,
        /// Whether it has the second payload's fingerprint.
        second_payload: bool,
    },
    /// To a write: the journal has the entry.
    Written,
    /// Nothing was done.
    Refused,
    /// To a request that answers nothing.
    Nothing,
}

/// What the store would answer to a request of a run.
pub(super) fn answer_to(config: &Config, state: &State, at: u8, request: Request) -> Answer {
    let mut state = *state;
    let written = |done| if done { Answer::Written } else { Answer::Refused };
    match request {
        Request::Reserve => reserve(config, &mut state, at),
        Request::Resume if resume(config, &mut state, at) => Answer::Won,
        Request::Resume => Answer::Refused,
        Request::RecordA
        | Request::RecordZ
        | Request::Begin(_)
        | Request::Settle(_)
        | Request::TakeBack(_) => written(write_once_let_in(config, &mut state, at, request)),
        _ => Answer::Nothing,
    }
}
