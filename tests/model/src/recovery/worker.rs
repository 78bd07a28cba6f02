//! What a worker does, and what the store does for it.

use super::machine::{Body, Config};
use super::property::Property;
use super::rule::Rule;
use super::state::{Due, MAX_ATTEMPTS, NOBODY, Phase, Record, STEPS, Stage, State, Worker};

/// The most that a count holds.
const MOST: u8 = 7;

/// The store does a claim, where `is_current` says whether the record is still the one that was seen.
pub(super) fn claim(config: &Config, state: &mut State, owner: u8, is_current: bool) -> bool {
    let before = state.record;
    let is_parked = before.phase == Phase::Parked && !config.has(Rule::ParkedRefusesClaims);
    let is_free = before.phase == Phase::Suspended || is_parked;
    let is_loose = !config.has(Rule::ClaimCompares) && before.phase != Phase::Completed;
    if !(is_current && is_free || is_loose) {
        return false;
    }
    if state.has_living_owner() {
        state.broke(Property::ClaimedFromTheLiving);
    }
    if before.phase == Phase::Parked {
        state.broke(Property::ParkedRan);
    }
    if before.told_error {
        state.broke(Property::BehindTheirBack);
    }
    let begins_anew = state.steps > before.counted && config.has(Rule::ProgressCounts);
    let earlier = if begins_anew { 0 } else { before.attempts };
    let counts = u8::from(config.has(Rule::CountsAtClaim));
    let due = if config.has(Rule::ClaimStaysDue) { Due::Later } else { Due::Never };
    state.write(Record {
        phase: Phase::Reserved,
        owner,
        due,
        attempts: (earlier + counts).min(MOST),
        counted: state.steps,
        told_error: false,
    });
    // Nobody learns of a claim whose sender has given up, and nobody forgives it.
    let is_forgiven = owner == NOBODY && config.forgives_unanswered();
    state.deserved = (state.deserved + u8::from(!is_forgiven)).min(MOST);
    true
}

/// A worker that has claimed the call once too often sets it aside.
pub(super) fn park(config: &Config, state: &mut State, at: u8) {
    let is_mine = state.record.owner == at && state.record.phase == Phase::Reserved;
    if is_mine || !config.has(Rule::ParkCompares) && state.record.phase != Phase::Completed {
        if state.has_living_owner() {
            state.broke(Property::ParkedUnderTheLiving);
        }
        // The last of them is the claim that parks.
        if state.deserved <= MAX_ATTEMPTS && is_mine {
            state.broke(Property::ParkedTooSoon);
        }
        let due = if config.has(Rule::ParkedNotDue) { Due::Never } else { Due::Later };
        state.write(Record { phase: Phase::Parked, due, ..state.record });
    }
    leave(state, at);
}

/// Whether this claim was one too many.
pub(super) fn is_to_be_parked(config: &Config, state: &State) -> bool {
    config.has(Rule::Parks) && state.record.attempts > MAX_ATTEMPTS
}

/// The body starts.
pub(super) fn start(state: &mut State, at: u8) {
    let Record { owner, phase, .. } = state.record;
    if owner != at && phase == Phase::Reserved || phase == Phase::Parked {
        state.broke(Property::NotOwner);
    }
    state.workers[usize::from(at)].stage = Stage::Running;
    state.bodies += 1;
    if state.bodies > MAX_ATTEMPTS {
        state.broke(Property::TooOften);
    }
}

/// A step is recorded, unless somebody else has the call: then the run ends.
pub(super) fn record(state: &mut State, at: u8) {
    if !is_untaken(state, at) {
        return leave(state, at);
    }
    state.steps += 1;
    (state.deserved, state.bodies) = (0, 0);
}

/// The call is completed, unless somebody else has it.
pub(super) fn finish(state: &mut State, at: u8) {
    if is_untaken(state, at) {
        state.write(Record { phase: Phase::Completed, due: Due::Never, ..state.record });
    }
    leave(state, at);
}

/// Why a run gives the call back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Its body panicked.
    Broken,
    /// The store failed, or the claim's answer was lost, or this build does not know its steps.
    NoAttempt(Rule),
}

/// A run is over that did not complete the call.
pub(super) fn give_back(config: &Config, state: &mut State, at: u8, why: Why) {
    if is_untaken(state, at) {
        let mut attempts = state.record.attempts;
        match why {
            // A run of the client was not counted.
            Why::NoAttempt(_) if at == 0 => {
                attempts = attempts.saturating_sub(u8::from(!config.has(Rule::RetryNotCounted)));
            }
            Why::Broken if at == 0 => {}
            Why::Broken => attempts += u8::from(!config.has(Rule::CountsAtClaim)),
            Why::NoAttempt(rule) => {
                attempts = attempts.saturating_sub(u8::from(config.has(rule)));
                state.deserved = state.deserved.saturating_sub(1);
                state.bodies = state.bodies.saturating_sub(1);
            }
        }
        let due = if config.has(Rule::InterruptedDue) { Due::Later } else { Due::Never };
        let attempts = attempts.min(MOST);
        state.write(Record { phase: Phase::Suspended, due, attempts, ..state.record });
    }
    leave(state, at);
}

/// The body ends in its own error, and its caller is told.
pub(super) fn decline(config: &Config, state: &mut State, at: u8) {
    if is_untaken(state, at) {
        let due = if config.has(Rule::ErrorNotDue) { Due::Never } else { Due::Later };
        let told = Record { phase: Phase::Suspended, due, told_error: true, ..state.record };
        state.write(told);
    }
    leave(state, at);
}

/// The process dies. Its claim may be on its way, and the network keeps one of those.
pub(super) fn die(state: &mut State, at: u8) {
    let worker = state.workers[usize::from(at)];
    if worker.stage == Stage::Claiming {
        state.late_claim.get_or_insert(worker.is_current);
    }
    if state.record.owner == at {
        state.record.owner = NOBODY;
    }
    leave(state, at);
}

/// The claim was done, and its sender does not know. It gives back what it may have.
pub(super) fn lose_answer(config: &Config, state: &mut State, at: u8) {
    let won = claim(config, state, at, state.workers[usize::from(at)].is_current);
    if won && config.has(Rule::LostAnswerGivenBack) {
        return give_back(config, state, at, Why::NoAttempt(Rule::LostAnswerGivenBack));
    }
    if won {
        // Nobody has run it, and nobody could tell.
        state.deserved = state.deserved.saturating_sub(1);
    }
    die(state, at);
}

/// Whether nobody else has the call: a late owner may go on until then.
fn is_untaken(state: &State, at: u8) -> bool {
    state.record.owner == at && matches!(state.record.phase, Phase::Reserved | Phase::Suspended)
}

fn leave(state: &mut State, at: u8) {
    state.workers[usize::from(at)] = Worker::default();
}

/// What the body can do next, for a call that is one of these.
pub(super) fn may_go_on(body: Body, state: &State) -> bool {
    state.steps < STEPS && !(body == Body::Deadly && state.steps > 0)
}
