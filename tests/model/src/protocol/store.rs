//! What the store does with a request, each one an atomic step, and what its sender learns.

use super::action::Step;
use super::config::Config;
use super::journal::{Journal, Nonce, Once};
use super::owner::{end_with, step_is_lost};
use super::property::Property;
use super::record::{Phase, Record};
use super::request::Request;
use super::rule::Rule;
use super::run::{Kind, Progress, Stage};
use super::state::State;

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

/// What a reserve answers.
#[derive(Clone, Copy)]
enum Answer {
    Won,
    Suspended { token: u8, second_payload: bool },
    Refused,
}

fn reserve(config: &Config, state: &mut State, at: u8) -> Answer {
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
        Answer::Refused => run.end(),
    }
}

fn resume(config: &Config, state: &mut State, at: u8) -> bool {
    let (run, record) = (state.runs[usize::from(at)], &mut state.record);
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
fn is_let_in(config: &Config, state: &State, at: u8, request: Request) -> bool {
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
        // A late owner may not begin.
        Request::Begin(_) => state.record.is_held_by(at) && state.record.phase == Phase::Reserved,
        _ => state.record.is_held_by(at),
    }
}

/// Writes to the journal, unless what it knows of `m` is against it.
fn write(config: &Config, state: &mut State, at: u8, request: Request) -> bool {
    let nonce = |second| Nonce { run: at, second };
    let known = state.journal.m;
    let mine = |second| match known {
        Once::Begun(begun) => begun == nonce(second) || !config.has(Rule::Nonce),
        Once::Unknown | Once::Recorded => !config.has(Rule::BegunFirst),
    };
    let late = state.record.token != at;
    match request {
        Request::RecordA if std::mem::replace(&mut state.journal.a, true) && late => {
            state.broke(Property::Overwritten);
        }
        Request::RecordZ if std::mem::replace(&mut state.journal.z, true) && late => {
            state.broke(Property::Overwritten);
        }
        Request::Begin(second) if known == Once::Unknown || mine(second) => {
            state.journal.m = Once::Begun(nonce(second));
        }
        Request::Settle(second) if mine(second) => state.journal.m = Once::Recorded,
        Request::TakeBack(second) if mine(second) => state.journal.m = Once::Unknown,
        Request::RecordA | Request::RecordZ => {}
        _ => return false,
    }
    let second_payload = state.runs[usize::from(at)].second_payload;
    state.journal.payloads[usize::from(second_payload)] = true;
    state.journal.exists = true;
    state.record.journaled = true;
    true
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
    record.phase = if state.journal.m.is_begun() { Phase::Indeterminate } else { Phase::Lapsed };
    record.due = config.input && !(own_error && config.has(Rule::ErrorNotDue));
    record.told_error = own_error;
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
