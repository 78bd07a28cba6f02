//! What operators do, and recovery when it gives up.
//!
//! An operator tells the truth, and waits long enough before asking the provider: a body that had
//! started then has had its effect. One of them may look, and answer when the call has moved on.

use super::action::Action;
use super::config::Config;
use super::journal::Once;
use super::record::Phase;
use super::rule::Rule;
use super::run::Stage;
use super::state::{Seen, State};
use super::store::vacate;

/// Appends what operators can do.
pub(super) fn actions(state: &State, into: &mut Vec<Action>) {
    let record = state.record;
    if record.phase == Phase::Lapsed && record.due && state.runs[1].stage == Stage::Ended {
        into.push(Action::Park);
    }
    if state.seen.is_some() {
        into.push(Action::Answer);
    }
    if record.phase != Phase::Indeterminate {
        return;
    }
    into.push(match (state.journal.m, state.effects.m) {
        (Once::Begun(_), 0) => Action::ResolveNever,
        (Once::Begun(_), _) => Action::ResolveHappened,
        (Once::Unknown | Once::Tried(_) | Once::Recorded, _) => Action::ResolveCall,
    });
    if state.looks > 0 && state.seen.is_none() && state.journal.m.is_begun() {
        into.push(Action::Look);
    }
}

/// Does what an operator does.
pub(super) fn apply(config: &Config, state: &mut State, action: Action) {
    match action {
        Action::Park => {
            state.record.phase = Phase::Indeterminate;
            state.record.waits_for_step = false;
        }
        Action::ResolveHappened => resolve_step(config, state, true),
        Action::ResolveNever => resolve_step(config, state, false),
        Action::ResolveCall if config.has(Rule::ResolveKeeps) => state.record.go_on(config.input),
        Action::ResolveCall => vacate(state),
        Action::Look => {
            state.looks -= 1;
            let happened = state.effects.m > 0;
            state.seen = Some(Seen { token: state.record.token, m: state.journal.m, happened });
        }
        Action::Answer => {
            let Some(seen) = state.seen.take() else { return };
            let same = state.record.token == seen.token && state.journal.m == seen.m;
            let in_doubt = state.record.phase == Phase::Indeterminate && state.journal.m.is_begun();
            if in_doubt && (same || !config.has(Rule::OperatorSees)) {
                resolve_step(config, state, seen.happened);
            }
        }
        _ => {}
    }
}

fn resolve_step(config: &Config, state: &mut State, happened: bool) {
    state.journal.m = match state.journal.m {
        Once::Begun(nonce) if !happened => Once::Tried(nonce),
        _ => Once::Recorded,
    };
    state.record.go_on(config.input);
}
