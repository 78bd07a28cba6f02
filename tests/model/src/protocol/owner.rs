//! What a run does by itself: it asks for steps, runs their bodies, and ends.
//!
//! A body's effect and the sending of its record are one action. A crash between the two is a crash
//! after a request that never arrives.

use super::action::{Action, Step};
use super::config::Config;
use super::journal::Once;
use super::property::Property;
use super::record::Phase;
use super::request::Request;
use super::rule::Rule;
use super::run::{Progress, Stage};
use super::state::State;

/// Appends what the runs can do.
pub(super) fn actions(config: &Config, state: &State, into: &mut Vec<Action>) {
    for (at, run) in (0..).zip(&state.runs) {
        if !run.is_live() {
            continue;
        }
        if run.late && run.stage != Stage::Reserving && run.stage != Stage::Resuming {
            into.push(Action::Stop(at));
        }
        if run.stage == Stage::Loading && !run.late {
            into.push(Action::Load(at));
        }
        if run.stage != Stage::Running {
            continue;
        }
        let may_fail = state.errors > 0;
        let starts = !(run.late && config.has(Rule::ClockBeforeStep));
        if starts && run.a.is_askable() {
            into.push(Action::StepA(at, true));
            into.extend(may_fail.then_some(Action::StepA(at, false)));
        }
        let attempt_left = run.m != Progress::Failed || !run.second;
        if starts && (run.m.is_askable() && attempt_left || run.m == Progress::InDoubt) {
            let begins = config.has(Rule::BegunFirst) || run.m == Progress::InDoubt;
            into.push(if begins { Action::BeginM(at) } else { Action::StepM(at, true) });
        }
        if run.m == Progress::Begun && !(run.late && config.has(Rule::ClockAfterBegin)) {
            into.push(Action::StepM(at, true));
            into.extend(may_fail.then_some(Action::StepM(at, false)));
        }
        if starts && run.z.is_askable() && run.a.is_over() && run.m.is_over() {
            into.push(Action::StepZ(at, true));
            into.extend(may_fail.then_some(Action::StepZ(at, false)));
        }
        if [run.a, run.m, run.z].contains(&Progress::Failed) {
            into.push(Action::Fail(at));
        }
        if run.z == Progress::Done || run.z == Progress::Lost {
            into.push(Action::Finish(at));
        }
    }
}

/// The run reads the journal.
pub(super) fn load(config: &Config, state: &mut State, at: u8) {
    if state.record.journaled && !state.journal.exists && config.has(Rule::MissingJournal) {
        return stop(config, state, at);
    }
    let (journal, effects) = (state.journal, state.effects);
    let old_m = journal.m == Once::Recorded && effects.m == 0;
    if journal.a && !effects.a || old_m || journal.z && !effects.z {
        state.broke(Property::OldLoaded);
    }
    let done = |recorded| if recorded { Progress::Done } else { Progress::Idle };
    let run = &mut state.runs[usize::from(at)];
    run.stage = Stage::Running;
    run.knows_journal = true;
    run.a = done(journal.a);
    run.z = done(journal.z);
    run.m = match journal.m {
        Once::Unknown | Once::Tried(_) => Progress::Idle,
        Once::Begun(_) => Progress::InDoubt,
        Once::Recorded => Progress::Done,
    };
}

/// `a` runs.
pub(super) fn step_a(config: &Config, state: &mut State, at: u8, well: bool) {
    starts(state, at, state.journal.a);
    let run = &mut state.runs[usize::from(at)];
    if !well {
        run.a = Progress::Failed;
        state.errors -= 1;
        return;
    }
    state.effects.a = true;
    run.sent.insert(Request::RecordA);
    run.a = recording(config);
}

/// `m` begins, or turns out to be in doubt.
pub(super) fn begin_m(config: &Config, state: &mut State, at: u8) {
    let run = &mut state.runs[usize::from(at)];
    if run.m == Progress::InDoubt {
        return step_is_lost(config, state, at, Step::M);
    }
    run.second = run.m == Progress::Failed;
    run.m = Progress::Beginning;
    run.sent.insert(Request::Begin(run.second));
}

/// The body of `m` runs.
pub(super) fn step_m(config: &Config, state: &mut State, at: u8, well: bool) {
    starts(state, at, state.journal.m == Once::Recorded);
    let run = &mut state.runs[usize::from(at)];
    if !well {
        state.errors -= 1;
        run.m = Progress::TakingBack;
        run.sent.insert(Request::TakeBack(run.second));
        return;
    }
    run.sent.insert(Request::Settle(run.second));
    run.m = recording(config);
    state.effects.m += 1;
    if state.effects.m > 1 {
        state.broke(Property::SecondEffect);
    }
}

/// `z` runs.
pub(super) fn step_z(config: &Config, state: &mut State, at: u8, well: bool) {
    starts(state, at, state.journal.z);
    let run = &mut state.runs[usize::from(at)];
    if !well {
        run.z = Progress::Failed;
        state.errors -= 1;
        return;
    }
    state.effects.z = true;
    run.sent.insert(Request::RecordZ);
    run.z = recording(config);
}

/// The body ends in the error of a step. A step that still runs is dropped by that.
pub(super) fn fail(config: &Config, state: &mut State, at: u8) {
    let run = state.runs[usize::from(at)];
    let drops = [run.a, run.m, run.z].into_iter().any(Progress::is_pending);
    if drops && config.has(Rule::DropPoison) {
        return stop(config, state, at);
    }
    if !config.has(Rule::ErrorAfterRelease) {
        state.record.told_error |= state.record.is_held_by(at);
    }
    end_with(config, state, at, Request::Release);
}

/// The body ends well. Its caller gets the result whatever becomes of the last request.
pub(super) fn finish(state: &mut State, at: u8) {
    let (run, journal) = (state.runs[usize::from(at)], state.journal);
    let steps = [
        (run.a, journal.a, state.effects.a),
        (run.m, journal.m == Once::Recorded, state.effects.m > 0),
        (run.z, journal.z, state.effects.z),
    ];
    // A successor that completed the call has dropped the journal, since all of it was recorded; and
    // of a journal that was evicted nothing is promised but that its record notices.
    let evicted = state.record.journaled && !journal.exists;
    let dropped = state.record.phase == Phase::Completed || evicted;
    for (progress, recorded, effect) in steps {
        if matches!(progress, Progress::Done | Progress::Lost) && effect && !recorded && !dropped {
            state.broke(Property::Unrecorded);
        }
        if progress == Progress::Done && !effect {
            state.broke(Property::NoEffect);
        }
    }
    if journal.payloads == [true, true] {
        state.broke(Property::TwoPayloads);
    }
    let run = &mut state.runs[usize::from(at)];
    run.sent.insert(Request::Complete);
    run.end();
}

/// The run ends without a result of its own: its caller gets the error that stopped it.
pub(super) fn stop(config: &Config, state: &mut State, at: u8) {
    end_with(config, state, at, Request::Suspend);
}

/// A step of the run got an error of the store, or was dropped.
pub(super) fn step_is_lost(config: &Config, state: &mut State, at: u8, step: Step) {
    if config.has(Rule::Poison) {
        return stop(config, state, at);
    }
    let run = &mut state.runs[usize::from(at)];
    match step {
        Step::A => run.a = Progress::Lost,
        Step::M => run.m = Progress::Lost,
    }
}

/// A step was dropped after it had started.
pub(super) fn drop_step(config: &Config, state: &mut State, at: u8, step: Step) {
    if config.has(Rule::DropPoison) {
        return stop(config, state, at);
    }
    let run = &mut state.runs[usize::from(at)];
    match step {
        Step::A => run.a = Progress::Lost,
        Step::M => run.m = Progress::Lost,
    }
}

/// Ends a run whose reservation is given back.
pub(super) fn end_with(config: &Config, state: &mut State, at: u8, request: Request) {
    let run = &mut state.runs[usize::from(at)];
    let nothing_known = !run.knows_journal && !config.has(Rule::StoreDecides);
    run.sent.insert(if nothing_known { Request::Vacate } else { request });
    run.end();
}

/// A step waits for its record, where the rules say so.
fn recording(config: &Config) -> Progress {
    if config.has(Rule::Acknowledged) { Progress::Recording } else { Progress::Done }
}

/// A body starts: that of a step which is not recorded, in a run that was not overtaken.
fn starts(state: &mut State, at: u8, recorded: bool) {
    if state.record.phase == Phase::Reserved && state.record.token != at {
        state.broke(Property::NotOwner);
    }
    if recorded {
        state.broke(Property::Repeated);
    }
}
