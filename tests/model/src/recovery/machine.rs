//! [`Recovery`]: the model that is searched.

use super::action::Action;
use super::packed::{Packed, pack, unpack};
use super::property::Property;
use super::rule::Rule;
use super::state::{Due, NOBODY, Phase, Record, STEPS, Stage, State, WORKERS, Worker};
use super::worker::{self, Why};
use crate::search::Model;

/// What the call's body is like.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Body {
    /// It records its steps, if nothing happens to it.
    Sound,
    /// It records its first step, and kills every process after that.
    Deadly,
}

/// How large the model is, and which rules hold.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// What the call's body is like.
    pub body: Body,
    /// How many faults come: deaths, lost answers, outages, panics.
    pub faults: u8,
    /// How many bodies end in an error of their own.
    pub errors: u8,
    /// How often the client comes back.
    pub retries: u8,
    /// How often an operator has a parked call run.
    pub operators: u8,
    /// Whether the second worker is of a build that does not know the call's steps.
    pub other_build: bool,
    forgives_unanswered: bool,
    off: u32,
}

impl Config {
    /// A model with every rule, and without errors, retries, operators and other builds.
    #[must_use]
    pub const fn new(body: Body, faults: u8) -> Self {
        Self {
            body,
            faults,
            errors: 0,
            retries: 0,
            operators: 0,
            other_build: false,
            forgives_unanswered: false,
            off: 0,
        }
    }

    /// With so many bodies that end in an error of their own, and a client that comes back as often.
    #[must_use]
    pub const fn errors(mut self, errors: u8) -> Self {
        (self.errors, self.retries) = (errors, errors);
        self
    }

    /// With an operator who has a parked call run so often.
    #[must_use]
    pub const fn operators(mut self, operators: u8) -> Self {
        self.operators = operators;
        self
    }

    /// With a second worker of a build that does not know the call's steps.
    #[must_use]
    pub const fn other_build(mut self) -> Self {
        self.other_build = true;
        self
    }

    /// As if a claim that the store does when its sender has given up could be told from an attempt, which it cannot.
    #[must_use]
    pub const fn forgiving_unanswered(mut self) -> Self {
        self.forgives_unanswered = true;
        self
    }

    pub(super) const fn forgives_unanswered(&self) -> bool {
        self.forgives_unanswered
    }

    /// Without one of the rules.
    #[must_use]
    pub const fn without(mut self, rule: Rule) -> Self {
        self.off |= 1 << rule as u32;
        self
    }

    pub(super) const fn has(&self, rule: Rule) -> bool {
        self.off & 1 << rule as u32 == 0
    }
}

/// One call, its first owner, and two workers with a recovery.
#[derive(Clone, Copy, Debug)]
pub struct Recovery {
    config: Config,
}

impl Recovery {
    /// A model of this size, under these rules.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config }
    }

    /// Whether the call is at an end: nobody runs it, and nobody has to.
    #[must_use]
    pub fn is_at_rest(&self, state: &State) -> bool {
        let record = state.record;
        let is_told = record.phase == Phase::Suspended && record.told_error;
        is_told || matches!(record.phase, Phase::Completed | Phase::Parked)
    }

    /// Whether an action happens by itself, sooner or later: no fault, and nobody's hand.
    #[must_use]
    pub fn happens_by_itself(&self, action: &Action) -> bool {
        let is_deadly = self.config.body == Body::Deadly && matches!(action, Action::Crash(_));
        is_deadly || !(action.is_by_hand() || is_fault(*action))
    }

    fn actions(&self, state: &State, into: &mut Vec<Action>) {
        let record = state.record;
        for (at, worker) in (0..).zip(&state.workers) {
            let may_fail = state.faults > 0;
            match worker.stage {
                Stage::Idle if at > 0 => {
                    let is_free = matches!(record.phase, Phase::Suspended | Phase::Parked);
                    into.extend((is_free && record.due == Due::Now).then_some(Action::Claim(at)));
                }
                Stage::Idle => {}
                Stage::Claiming => {
                    into.push(Action::Deliver(at));
                    into.extend(may_fail.then_some(Action::LoseAnswer(at)));
                    into.extend(may_fail.then_some(Action::TimeOut(at)));
                    into.extend(may_fail.then_some(Action::Crash(at)));
                }
                Stage::Claimed | Stage::Exhausted => {
                    into.push(self.claimed(worker, at));
                    into.extend(may_fail.then_some(Action::Crash(at)));
                }
                Stage::Running => self.running(state, at, into),
            }
            if worker.stage != Stage::Idle && !worker.is_late {
                into.push(Action::OwnLeaseEnds(at));
            }
        }
        into.extend(state.late_claim.map(|_| Action::DeliverLate));
        let owner = state.workers.get(usize::from(record.owner));
        let is_left = owner.is_none_or(|owner| owner.is_late || owner.stage == Stage::Idle);
        into.extend((record.phase == Phase::Reserved && is_left).then_some(Action::Lapse));
        let waits = matches!(record.phase, Phase::Suspended | Phase::Parked);
        into.extend((waits && record.due == Due::Later).then_some(Action::BecomeDue));
        let client_is_away = state.workers[0].stage == Stage::Idle;
        let may_retry = state.retries > 0 && record.phase == Phase::Suspended && client_is_away;
        into.extend(may_retry.then_some(Action::Retry));
        let may_resume = state.operators > 0 && record.phase == Phase::Parked;
        into.extend(may_resume.then_some(Action::Resume));
    }

    /// What a worker does that knows that it has the call.
    fn claimed(&self, worker: &Worker, at: u8) -> Action {
        if worker.stage == Stage::Exhausted {
            Action::Park(at)
        } else if self.config.other_build && at == 2 {
            Action::Refuse(at)
        } else if worker.is_late && self.config.has(Rule::ClockBeforeBody) {
            Action::Stop(at)
        } else {
            Action::Start(at)
        }
    }

    fn running(&self, state: &State, at: u8, into: &mut Vec<Action>) {
        let is_deadly = self.config.body == Body::Deadly;
        into.extend(worker::may_go_on(self.config.body, state).then_some(Action::Record(at)));
        into.extend((state.steps == STEPS).then_some(Action::Finish(at)));
        into.extend((state.errors > 0).then_some(Action::Decline(at)));
        into.extend((state.faults > 0 || is_deadly).then_some(Action::Crash(at)));
        if state.faults > 0 {
            into.extend([Action::Break(at), Action::Outage(at)]);
        }
    }

    fn apply(&self, state: &mut State, action: Action) {
        let config = &self.config;
        let is_free = config.body == Body::Deadly && matches!(action, Action::Crash(_));
        state.faults -= u8::from(is_fault(action) && !is_free);
        match action {
            Action::Claim(at) => {
                let worker = &mut state.workers[usize::from(at)];
                (worker.stage, worker.is_current) = (Stage::Claiming, true);
            }
            Action::Deliver(at) => {
                let won =
                    worker::claim(config, state, at, state.workers[usize::from(at)].is_current);
                let is_exhausted = worker::is_to_be_parked(config, state);
                let worker = &mut state.workers[usize::from(at)];
                *worker = match won {
                    true if is_exhausted => Worker { stage: Stage::Exhausted, ..*worker },
                    true => Worker { stage: Stage::Claimed, ..*worker },
                    false => Worker::default(),
                };
            }
            Action::LoseAnswer(at) => worker::lose_answer(config, state, at),
            Action::TimeOut(at) | Action::Stop(at) | Action::Crash(at) => worker::die(state, at),
            Action::DeliverLate => {
                let is_current = state.late_claim.take().unwrap_or_default();
                worker::claim(config, state, NOBODY, is_current);
            }
            Action::Park(at) => worker::park(config, state, at),
            Action::Refuse(at) => {
                worker::give_back(config, state, at, Why::NoAttempt(Rule::RefusalNotCounted));
            }
            Action::Start(at) => worker::start(state, at),
            Action::Record(at) => worker::record(state, at),
            Action::Finish(at) => worker::finish(state, at),
            Action::Decline(at) => {
                state.errors -= 1;
                worker::decline(config, state, at);
            }
            Action::Break(at) => worker::give_back(config, state, at, Why::Broken),
            Action::Outage(at) => {
                worker::give_back(config, state, at, Why::NoAttempt(Rule::OutageNotCounted));
            }
            Action::OwnLeaseEnds(at) => state.workers[usize::from(at)].is_late = true,
            Action::Lapse => state.record.phase = Phase::Suspended,
            Action::BecomeDue => state.record.due = Due::Now,
            Action::Retry => {
                state.retries -= 1;
                let due = Due::Later;
                let record = Record { owner: 0, due, told_error: false, ..state.record };
                state.write(Record { phase: Phase::Reserved, ..record });
                state.workers[0].stage = Stage::Running;
            }
            Action::Resume => {
                state.operators -= 1;
                let begins_anew = config.has(Rule::ResumedAnew);
                let attempts = if begins_anew { 0 } else { state.record.attempts };
                let record = Record { attempts, due: Due::Now, ..state.record };
                state.write(Record { phase: Phase::Suspended, ..record });
                (state.deserved, state.bodies) = (0, 0);
            }
        }
    }
}

const fn is_fault(action: Action) -> bool {
    matches!(
        action,
        Action::LoseAnswer(_)
            | Action::TimeOut(_)
            | Action::Crash(_)
            | Action::Break(_)
            | Action::Outage(_)
    )
}

impl Model for Recovery {
    type State = State;
    type Packed = Packed;
    type Action = Action;
    type Violation = Property;

    fn initial(&self) -> State {
        let mut state = State {
            faults: self.config.faults,
            errors: self.config.errors,
            retries: self.config.retries,
            operators: self.config.operators,
            ..State::default()
        };
        state.workers[0].stage = Stage::Running;
        state
    }

    fn pack(&self, state: &State) -> Packed {
        pack(state)
    }

    fn unpack(&self, packed: &Packed) -> State {
        unpack(packed)
    }

    fn next(&self, state: &State, into: &mut Vec<(Action, State)>) {
        let mut actions = Vec::with_capacity(8 * WORKERS);
        self.actions(state, &mut actions);
        into.extend(actions.into_iter().filter_map(|action| {
            let mut reached = *state;
            self.apply(&mut reached, action);
            (reached != *state).then_some((action, reached))
        }));
    }

    fn violation(&self, state: &State) -> Option<Property> {
        state.broken
    }
}
