//! What the store does with a request, each one an atomic step, and what its sender learns.

use super::answer::Answer;
use super::config::Config;
use super::journal::{Journal, Once};
use super::property::Property;
use super::record::{Phase, Record};
use super::request::Request;
use super::rule::Rule;
use super::run::{Kind, Progress, Stage};
use super::state::State;
use super::writes::{answer, is_let_in};

/// The store receives a request of a run, and the run gets the answer if it waits for it.
pub(super) fn deliver(config: &Config, state: &mut State, at: u8, request: Request) {
    let awaited = state.runs[usize::from(at)].awaits(request);
    match request {
        Request::Reserve => {
            let answer = reserve(config, state, at);
            if awaited {
                reserved(config, state, at, answer);
            }
        }
        Request::Resume => {
            let won = resume(config, state, at);
            if awaited {
                let run = &mut state.runs[usize::from(at)];
                if won { run.stage = Stage::Loading } else { run.end() }
            }
        }
        Request::RecordA
        | Request::RecordZ
        | Request::Begin(_)
        | Request::Settle(_)
        | Request::TakeBack(_) => {
            let checked = is_let_in(config, state, at, request);
            if checked && !config.has(Rule::Locked) {
                state.runs[usize::from(at)].uncommitted.insert(request);
            } else {
                answer(config, state, at, request, checked);
            }
        }
        Request::Complete => complete(state, at),
        Request::Release => release(config, state, at, true),
        Request::Suspend => release(config, state, at, false),
        Request::Vacate => {
            if state.record.is_held_by(at) {
                vacate(state);
            }
        }
        Request::Due => state.record.due |= state.record.is_held_by(at),
    }
}

pub(super) fn reserve(config: &Config, state: &mut State, at: u8) -> Answer {
    let second_payload = state.runs[usize::from(at)].second_payload;
    let record = state.record;
    match record.phase {
        Phase::Reserved if record.token == at => Answer::Won,
        Phase::Lapsed if record.token != at && config.has(Rule::ReserveSpares) => {
            Answer::Suspended { token: record.token, second_payload: record.second_payload }
        }
        Phase::Lapsed if record.token == at => Answer::Refused,
        Phase::Vacant | Phase::Lapsed => {
            let at_once = config.input && config.has(Rule::DueWithReserve);
            state.record = Record {
                token: at,
                phase: Phase::Reserved,
                due: at_once,
                second_payload,
                ..Record::default()
            };
            state.journal =
                if config.has(Rule::JournalName) { Journal::default() } else { state.leftover };
            state.leftover = Journal::default();
            if config.input && !at_once {
                state.runs[usize::from(at)].sent.insert(Request::Due);
            }
            Answer::Won
        }
        Phase::Reserved | Phase::Indeterminate | Phase::Completed => Answer::Refused,
    }
}

/// What a run does with the answer to its reserve.
fn reserved(config: &Config, state: &mut State, at: u8, answer: Answer) {
    let run = &mut state.runs[usize::from(at)];
    match answer {
        Answer::Won => run.stage = Stage::Running,
        Answer::Suspended { token, second_payload } => {
            let same = second_payload == run.second_payload;
            if same || !config.has(Rule::Fingerprint) {
                run.stage = Stage::Resuming;
                run.seen = token;
                run.sent.insert(Request::Resume);
            } else {
                run.end();
            }
        }
        Answer::Refused | Answer::Stands | Answer::Written | Answer::Nothing => run.end(),
    }
}

pub(super) fn resume(config: &Config, state: &mut State, at: u8) -> bool {
    let (run, record) = (state.runs[usize::from(at)], &mut state.record);
    if record.phase == Phase::Reserved && record.token == at {
        return true; // It comes again.
    }
    let as_seen = record.phase == Phase::Lapsed && record.token == run.seen;
    let loose = !config.has(Rule::ResumeCompares)
        && matches!(record.phase, Phase::Lapsed | Phase::Reserved)
        && record.token != at;
    let not_due = run.kind == Kind::Recovery && !record.due && config.has(Rule::StillDue);
    if !as_seen && !loose || not_due {
        return false;
    }
    let behind = run.kind == Kind::Recovery && record.told_error;
    *record = Record {
        phase: Phase::Reserved,
        token: at,
        due: config.input,
        told_error: false,
        ..*record
    };
    if behind {
        state.broke(Property::BehindTheirBack);
    }
    true
}

fn complete(state: &mut State, at: u8) {
    let record = &mut state.record;
    let mine = record.token == at
        && matches!(record.phase, Phase::Reserved | Phase::Lapsed | Phase::Indeterminate);
    // A lease that lapsed and that nobody took is no reason to forget a finished call.
    if mine || record.phase == Phase::Vacant {
        let second_payload = state.runs[usize::from(at)].second_payload;
        *record =
            Record { phase: Phase::Completed, token: at, second_payload, ..Record::default() };
        state.journal = Journal::default();
    }
}

/// Lapses the reservation now, or leaves nothing where there is nothing to keep.
fn release(config: &Config, state: &mut State, at: u8, own_error: bool) {
    let record = &mut state.record;
    if !record.is_held_by(at) {
        return;
    }
    if !record.journaled && !config.input {
        return vacate(state);
    }
    let is_begun = state.journal.m.is_begun();
    let believes = state.runs[usize::from(at)].m == Progress::InDoubt;
    let waits = is_begun || believes && !config.has(Rule::SuspendLooks);
    record.phase = if waits { Phase::Indeterminate } else { Phase::Lapsed };
    record.waits_for_step = waits;
    record.due = config.input && !(own_error && config.has(Rule::ErrorNotDue));
    record.told_error = own_error;
    if waits && !is_begun {
        state.broke(Property::WaitsInVain);
    }
}

/// Leaves the id vacant.
pub(super) fn vacate(state: &mut State) {
    state.record = Record::default();
    state.journal = Journal::default();
}

impl Once {
    pub(super) fn is_begun(self) -> bool {
        matches!(self, Self::Begun(_))
    }
}
