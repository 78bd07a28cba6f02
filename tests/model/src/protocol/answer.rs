//! [`Answer`]: what the store answers to a request.

use super::config::Config;
use super::journal::{Nonce, Once};
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
    /// To a write that is refused where an entry stands already. If it is the same write that comes again,
    /// a store may as well say that it is written.
    Stands,
    /// To a request that answers nothing.
    Nothing,
}

/// What the store would answer to a request of a run.
pub(super) fn answer_to(config: &Config, state: &State, at: u8, request: Request) -> Answer {
    let mut state = *state;
    let stands = match request {
        Request::RecordA => state.journal.a,
        Request::RecordZ => state.journal.z,
        Request::Begin(second) => state.journal.m == Once::Begun(Nonce { run: at, second }),
        _ => false,
    };
    let written = |done| match (done, stands) {
        (true, _) => Answer::Written,
        (false, true) => Answer::Stands,
        (false, false) => Answer::Refused,
    };
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
