//! What happens to the runs and the store: time, faults, retries, recovery and operators.

use super::action::{Action, Step};
use super::config::Config;
use super::journal::Journal;
use super::record::Phase;
use super::request::{Request, Requests};
use super::rule::Rule;
use super::run::{Kind, Run, Stage};
use super::state::State;
use super::store::vacate;

/// Appends what can happen to the runs and the store.
pub(super) fn actions(config: &Config, state: &State, into: &mut Vec<Action>) {
    starts(config, state, into);
    network(state, into);
    time(config, state, into);
    faults(config, state, into);
}

/// Retries and recovery. Runs start in the order of their numbers.
fn starts(config: &Config, state: &State, into: &mut Vec<Action>) {
    let Some(free) =
        (0..).zip(&state.runs[..config.runs]).find(|(_, run)| run.stage == Stage::Idle)
    else {
        return;
    };
    into.push(Action::Start(free.0, Kind::Client));
    if config.other_payload {
        into.push(Action::Start(free.0, Kind::OtherPayload));
    }
    if state.record.phase == Phase::Lapsed && state.record.due {
        into.push(Action::Start(free.0, Kind::Recovery));
    }
}

/// Requests arrive, once or twice; or their senders give up.
fn network(state: &State, into: &mut Vec<Action>) {
    for (at, run) in (0..).zip(&state.runs) {
        into.extend(run.uncommitted.iter().map(|request| Action::Commit(at, request)));
        for request in run.sent.iter() {
            into.push(Action::Deliver(at, request));
            if state.faults > 0 {
                into.push(Action::DeliverTwice(at, request));
            }
            if run.awaits(request) && (state.faults > 0 || run.late) {
                into.push(Action::TimeOut(at, request));
            }
        }
    }
}

/// Clocks. An owner counts its lease from the first sending of its reserve, so it is late before the
/// store says that it is.
fn time(config: &Config, state: &State, into: &mut Vec<Action>) {
    for (at, run) in (0..).zip(&state.runs) {
        if run.is_live() && !run.late {
            into.push(Action::OwnLeaseEnds(at));
        }
    }
    let record = state.record;
    let owner = state.runs[usize::from(record.token)];
    if record.phase == Phase::Reserved && (owner.late || !owner.is_live()) {
        into.push(Action::Lapse);
    }
    if record.phase == Phase::Lapsed && !config.has(Rule::Retention) {
        into.push(Action::Forget);
    }
    let kept = matches!(record.phase, Phase::Lapsed | Phase::Indeterminate | Phase::Completed);
    if kept && state.era < config.expiries && !state.runs.iter().any(Run::is_live) {
        into.push(Action::Expire(false));
        if state.journal.exists && !config.has(Rule::JournalName) {
            into.push(Action::Expire(true));
        }
    }
}

fn faults(config: &Config, state: &State, into: &mut Vec<Action>) {
    let record = state.record;
    for (at, run) in (0..).zip(&state.runs) {
        if record.phase == Phase::Reserved && record.token == at && !config.has(Rule::StoredFlag) {
            into.push(Action::StaleRenewal(at));
        }
        if state.faults == 0 || !run.is_live() {
            continue;
        }
        into.push(Action::Crash(at));
        if run.stage == Stage::Running {
            into.extend(run.a.is_pending().then_some(Action::Drop(at, Step::A)));
            into.extend(run.m.is_pending().then_some(Action::Drop(at, Step::M)));
        }
    }
    if state.faults > 0 && state.journal.exists && !config.clients_only {
        into.push(Action::EvictJournal);
    }
}

/// Does what time, a fault or an operator does.
pub(super) fn apply(config: &Config, state: &mut State, action: Action) {
    state.faults -= u8::from(action.is_fault() && !is_free(state, action));
    match action {
        Action::Start(at, kind) => start(state, at, kind),
        Action::Crash(at) => {
            let run = &mut state.runs[usize::from(at)];
            run.sent.remove(Request::Due);
            run.end();
        }
        Action::OwnLeaseEnds(at) => state.runs[usize::from(at)].late = true,
        Action::StaleRenewal(_) => state.record.journaled = false,
        Action::Lapse if state.record.journaled || config.input => {
            state.record.phase = Phase::Lapsed;
        }
        Action::Lapse | Action::Forget => vacate(state),
        Action::Expire(stays) => {
            let leftover = if stays { state.journal } else { Journal::default() };
            vacate(state);
            state.leftover = leftover;
            state.effects = super::state::Effects::default();
            state.era += 1;
            // A request is not on its way for as long as a result is kept.
            for run in &mut state.runs {
                run.sent = Requests::default();
            }
        }
        Action::EvictJournal => state.journal = Journal::default(),
        _ => {}
    }
}

/// Recovery reads what is due before it resumes; a client's reserve tells it.
fn start(state: &mut State, at: u8, kind: Kind) {
    let record = state.record;
    let (stage, request, seen, second_payload) = match kind {
        Kind::Client => (Stage::Reserving, Request::Reserve, 0, false),
        Kind::OtherPayload => (Stage::Reserving, Request::Reserve, 0, true),
        Kind::Recovery => (Stage::Resuming, Request::Resume, record.token, record.second_payload),
    };
    let run = &mut state.runs[usize::from(at)];
    *run = Run { stage, kind, seen, second_payload, ..Run::default() };
    run.sent.insert(request);
}

/// A run whose lease is over gives up waiting by itself.
fn is_free(state: &State, action: Action) -> bool {
    matches!(action, Action::TimeOut(at, _) if state.runs[usize::from(at)].late)
}
