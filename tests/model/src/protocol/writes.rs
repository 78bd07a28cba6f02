//! What the store does with a journal write, and what its sender learns.

use super::action::Step;
use super::config::Config;
use super::journal::{Nonce, Once};
use super::owner::{end_with, step_is_lost};
use super::property::Property;
use super::record::Phase;
use super::request::Request;
use super::rule::Rule;
use super::run::Progress;
use super::state::State;

/// The store writes to the journal, or refuses to, and the run gets the answer if it waits for it.
pub(super) fn answer(config: &Config, state: &mut State, at: u8, request: Request, checked: bool) {
    let awaited = state.runs[usize::from(at)].awaits(request);
    let done = checked && write(config, state, at, request);
    if awaited && done {
        recorded(state, at, request);
    } else if awaited {
        refused(config, state, at, request);
    }
}

/// Whether the record lets a journal write of a run in.
pub(super) fn is_let_in(config: &Config, state: &State, at: u8, request: Request) -> bool {
    let missing = state.record.journaled && !state.journal.exists;
    if missing && config.has(Rule::NoSecondJournal) {
        return false;
    }
    if !config.has(Rule::Fenced) {
        return true;
    }
    match request {
        // The nonce is their fence: a late owner may settle what it began itself.
        Request::Settle(_) | Request::TakeBack(_) if config.has(Rule::BegunFirst) => true,
        Request::Begin(_) if !config.has(Rule::BeginsInLease) => true,
        Request::Begin(_) => state.record.is_held_by(at) && state.record.phase == Phase::Reserved,
        // A late owner may record while nobody has taken the call.
        _ => state.record.is_untaken_from(at),
    }
}

/// Writes to the journal, unless what it knows of `m` is against it.
fn write(config: &Config, state: &mut State, at: u8, request: Request) -> bool {
    let nonce = |second| Nonce { run: at, second };
    let known = state.journal.m;
    let mine = |second| match known {
        Once::Begun(begun) => begun == nonce(second) || !config.has(Rule::Nonce),
        Once::Unknown | Once::Tried(_) | Once::Recorded => !config.has(Rule::BegunFirst),
    };
    // An attempt that was taken back does not begin once more, when its *begin* comes again.
    let may_begin = |second| match known {
        Once::Unknown => true,
        Once::Tried(nonce) => {
            nonce.run != at || (second && !nonce.second) || !config.has(Rule::Nonce)
        }
        Once::Begun(_) | Once::Recorded => mine(second),
    };
    let late = state.record.token != at;
    match request {
        Request::RecordA if std::mem::replace(&mut state.journal.a, true) && late => {
            state.broke(Property::Overwritten);
        }
        Request::RecordZ if std::mem::replace(&mut state.journal.z, true) && late => {
            state.broke(Property::Overwritten);
        }
        Request::Begin(second) if may_begin(second) => {
            if late || state.record.phase != Phase::Reserved {
                state.broke(Property::BegunLate);
            }
            state.journal.m = Once::Begun(nonce(second));
        }
        // What is so already is done: a request that comes again gets the answer of the first.
        Request::Settle(second) if mine(second) || known == Once::Recorded => {
            state.journal.m = Once::Recorded;
        }
        Request::TakeBack(second) if mine(second) || known == Once::Tried(nonce(second)) => {
            state.journal.m = Once::Tried(nonce(second));
        }
        Request::RecordA | Request::RecordZ => {}
        _ => return false,
    }
    if matches!(request, Request::Settle(_) | Request::TakeBack(_)) {
        end_wait(config, state);
    }
    let second_payload = state.runs[usize::from(at)].second_payload;
    state.journal.payloads[usize::from(second_payload)] = true;
    state.journal.exists = true;
    state.record.journaled = true;
    true
}

/// A step is settled: the call that waits for it goes on.
fn end_wait(config: &Config, state: &mut State) {
    if state.record.phase != Phase::Indeterminate {
        return;
    }
    let is_parked = !state.record.waits_for_step;
    if is_parked && config.has(Rule::ReasonKept) {
        return;
    }
    if config.has(Rule::SettleEndsWait) {
        state.record.go_on(config.input);
        if is_parked {
            state.broke(Property::WentOnUntold);
        }
    } else {
        state.broke(Property::WaitsInVain);
    }
}

/// A run learns that the store did a journal write.
fn recorded(state: &mut State, at: u8, request: Request) {
    let run = &mut state.runs[usize::from(at)];
    run.knows_journal = true;
    match request {
        Request::RecordA => run.a = Progress::Done,
        Request::RecordZ => run.z = Progress::Done,
        Request::Begin(_) => run.m = Progress::Begun,
        Request::Settle(_) => run.m = Progress::Done,
        Request::TakeBack(_) => run.m = Progress::Failed,
        _ => {}
    }
}

/// A run learns that the store refused a request, or does not learn what became of it.
pub(super) fn refused(config: &Config, state: &mut State, at: u8, request: Request) {
    let run = &mut state.runs[usize::from(at)];
    match request {
        // A task gives back what the request may have taken.
        Request::Reserve | Request::Resume => end_with(config, state, at, Request::Suspend),
        Request::RecordA => step_is_lost(config, state, at, Step::A),
        Request::RecordZ if config.has(Rule::Poison) => {
            end_with(config, state, at, Request::Suspend);
        }
        Request::RecordZ => run.z = Progress::Lost,
        _ => step_is_lost(config, state, at, Step::M),
    }
}

/// Writes at once, if the record lets it in; tells whether it did.
pub(super) fn write_once_let_in(
    config: &Config,
    state: &mut State,
    at: u8,
    request: Request,
) -> bool {
    is_let_in(config, state, at, request) && write(config, state, at, request)
}
