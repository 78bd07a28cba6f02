//! [`Protocol`]: the model that is searched.

use super::action::Action;
use super::answer::{Answer, answer_to};
use super::config::Config;
use super::journal::{Nonce, Once};
use super::packed::{Packed, pack, unpack};
use super::property::Property;
use super::record::{Phase, Record};
use super::request::{Request, Requests};
use super::rule::Rule;
use super::run::{Kind, Progress, RUNS, Run, Stage};
use super::state::State;
use super::{operator, owner, store, surroundings, writes};
use crate::search::Model;

/// One key, its record and journal, its runs, and everything that can go wrong between them.
#[derive(Clone, Copy, Debug)]
pub struct Protocol {
    config: Config,
}

impl Protocol {
    /// A model of this size, under these rules.
    #[must_use]
    pub const fn new(config: Config) -> Self {
        Self { config }
    }

    /// Whether nobody waits, and what is left is found by somebody: by a retry where its caller knows
    /// that it failed, by recovery, or by an operator.
    #[must_use]
    pub fn is_at_rest(&self, state: &State) -> bool {
        let record = state.record;
        let found = match record.phase {
            Phase::Vacant | Phase::Completed | Phase::Indeterminate => true,
            Phase::Lapsed => record.due || record.told_error || !self.config.input,
            Phase::Reserved => false,
        };
        found && !state.runs.iter().any(Run::is_live)
    }

    /// What the store would answer to a request of a run.
    #[must_use]
    pub fn answer(&self, state: &State, at: u8, request: Request) -> Answer {
        answer_to(&self.config, state, at, request)
    }

    fn apply(&self, state: &mut State, action: Action) {
        let config = &self.config;
        match action {
            Action::Deliver(at, request) => {
                state.runs[usize::from(at)].sent.remove(request);
                store::deliver(config, state, at, request);
            }
            Action::Load(at) => owner::load(config, state, at),
            Action::StepA(at, well) => owner::step_a(config, state, at, well),
            Action::BeginM(at) => owner::begin_m(config, state, at),
            Action::StepM(at, well) => owner::step_m(config, state, at, well),
            Action::StepZ(at, well) => owner::step_z(config, state, at, well),
            Action::Fail(at) => owner::fail(config, state, at),
            Action::Finish(at) => owner::finish(state, at),
            Action::Stop(at) => owner::stop(config, state, at),
            Action::Commit(at, request) => {
                state.runs[usize::from(at)].uncommitted.remove(request);
                writes::answer(config, state, at, request, true);
            }
            Action::Park
            | Action::ResolveHappened
            | Action::ResolveNever
            | Action::ResolveCall
            | Action::Look
            | Action::Answer => operator::apply(config, state, action),
            _ => {
                surroundings::apply(config, state, action);
                match action {
                    Action::DeliverTwice(at, request) => store::deliver(config, state, at, request),
                    Action::TimeOut(at, request) => writes::refused(config, state, at, request),
                    Action::Drop(at, step) => owner::drop_step(config, state, at, step),
                    _ => {}
                }
            }
        }
        self.forget_what_is_dead(state);
    }

    /// Drops what cannot matter any more, so that states that differ in it only are one.
    fn forget_what_is_dead(&self, state: &mut State) {
        let config = &self.config;
        if config.has(Rule::StoreDecides) {
            // Nobody asks what an owner knows of a journal.
            for run in &mut state.runs {
                run.knows_journal = false;
            }
        }
        let fences = [Rule::Fenced, Rule::Locked, Rule::BegunFirst, Rule::Nonce];
        let fenced = fences.into_iter().all(|rule| config.has(rule)) && !config.clients_only;
        let State { record, journal, runs, .. } = state;
        for (at, run) in (0..).zip(runs).filter(|(_, run)| run.stage == Stage::Ended) {
            if fenced {
                forget_refused(*record, journal.m, at, run);
            }
            if run.sent.is_empty() && run.uncommitted.is_empty() {
                run.second_payload = false;
            }
            if config.has(Rule::SuspendLooks) || !run.sent.contains(Request::Suspend) {
                run.m = Progress::Idle;
            }
            if !run.sent.contains(Request::Resume) {
                run.kind = Kind::Client;
                run.seen = 0;
            }
        }
    }
}

/// Drops the requests of a run that has ended which the store can only refuse from now on.
fn forget_refused(record: Record, m: Once, at: u8, run: &mut Run) {
    let sent = run.sent;
    if record.phase == Phase::Completed {
        run.sent = Requests::default();
    }
    if sent.contains(Request::Reserve) || sent.contains(Request::Resume) {
        return; // It may become the owner yet.
    }
    for request in sent.iter() {
        let begun = |second| m == Once::Begun(Nonce { run: at, second });
        let may_count = match request {
            Request::Begin(_) => record.is_held_by(at) && record.phase == Phase::Reserved,
            Request::Settle(second) | Request::TakeBack(second) => {
                begun(second) || sent.contains(Request::Begin(second))
            }
            Request::Complete => true,
            Request::RecordA | Request::RecordZ => record.is_untaken_from(at),
            _ => record.is_held_by(at),
        };
        if !may_count {
            run.sent.remove(request);
        }
    }
}

impl Model for Protocol {
    type State = State;
    type Packed = Packed;
    type Action = Action;
    type Violation = Property;

    fn initial(&self) -> State {
        let mut runs = [Run::default(); RUNS];
        runs[0].stage = Stage::Reserving;
        runs[0].sent.insert(Request::Reserve);
        State {
            runs,
            faults: self.config.faults,
            errors: self.config.errors,
            looks: self.config.looks,
            ..State::default()
        }
    }

    fn pack(&self, state: &State) -> Packed {
        pack(state)
    }

    fn unpack(&self, packed: &Packed) -> State {
        unpack(packed)
    }

    fn next(&self, state: &State, into: &mut Vec<(Action, State)>) {
        let mut actions = Vec::with_capacity(32);
        owner::actions(&self.config, state, &mut actions);
        surroundings::actions(&self.config, state, &mut actions);
        if !self.config.clients_only {
            operator::actions(state, &mut actions);
        }
        into.extend(actions.into_iter().filter_map(|action| {
            let mut reached = *state;
            self.apply(&mut reached, action);
            (reached != *state).then_some((action, reached))
        }));
    }

    fn violation(&self, state: &State) -> Option<Property> {
        state.broken.filter(|broken| self.config.only.is_none_or(|only| only == *broken))
    }
}
