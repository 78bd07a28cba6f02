//! The model: one record a key, and what becomes of each call. It knows no tasks and no store.

use idempotent_core::Guarantee;
use idempotent_core::store::State;
use idempotent_core::testing::Fault;

use super::script::{End, KEYS, LEASE_MS, RETRY_MS, Step, TTL_MS, WAIT_MS};

/// What can be seen of a script so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) calls: Vec<Call>,
    pub(crate) records: Vec<Option<State>>,
}

/// How far a call has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Waiting,
    Running,
    /// Its result, or the code of its error.
    Ended(Result<usize, String>),
    Crashed,
}

#[derive(Clone, Copy)]
enum Record {
    Vacant,
    Reserved { owner: usize, lapses: u64, guarantee: Guarantee, held: bool },
    Indeterminate { owner: usize },
    Completed { value: usize, until: u64 },
}

struct Caller {
    key: usize,
    guarantee: Guarantee,
    gives_up: u64,
    state: Call,
    /// When its lease is renewed next, while it is.
    renews: Option<u64>,
}

pub(crate) struct Reference {
    callers: Vec<Caller>,
    records: [Record; KEYS],
    /// The callers' clock and the store's.
    now: u64,
    store_now: u64,
}

impl Default for Reference {
    fn default() -> Self {
        Self { callers: Vec::new(), records: [Record::Vacant; KEYS], now: 0, store_now: 0 }
    }
}

fn refused(code: &str) -> Call {
    Call::Ended(Err(code.to_owned()))
}

impl Reference {
    /// Takes a step. Which of several waiters wins a key is anybody's guess, so the model learns it
    /// from `running`: the calls whose bodies run.
    pub(crate) fn take(&mut self, step: &Step, running: &[usize]) {
        match step {
            Step::Start { key, guarantee, waits, fault } => {
                self.start(*key, *guarantee, *waits, *fault);
            }
            Step::Finish { call, end, fault } => self.finish(*call, *end, *fault, running),
            Step::Crash { call } => self.crash(*call),
            Step::Pass(seconds) => (0..*seconds).for_each(|_| self.pass(1000, 1000, running)),
            Step::Lapse => self.pass(0, LEASE_MS + 1, running),
            Step::Expire => self.pass(0, TTL_MS + 1, running),
        }
    }

    pub(crate) fn view(&self) -> View {
        let records = self.records.iter().map(|record| match record {
            Record::Vacant => None,
            Record::Reserved { .. } => Some(State::Reserved),
            Record::Indeterminate { .. } => Some(State::Indeterminate),
            Record::Completed { .. } => Some(State::Completed),
        });
        let calls = self.callers.iter().map(|caller| caller.state.clone()).collect();
        View { calls, records: records.collect() }
    }

    fn start(&mut self, key: usize, guarantee: Guarantee, waits: bool, fault: Option<Fault>) {
        let state = match (fault, self.records[key]) {
            (Some(Fault::Fail | Fault::LoseAnswer), _) => refused("store_unavailable"),
            (_, Record::Vacant) => Call::Running,
            (_, Record::Reserved { held: true, .. }) => refused("held"),
            (_, Record::Reserved { .. }) if waits => Call::Waiting,
            (_, Record::Reserved { .. }) => refused("in_progress"),
            (_, Record::Indeterminate { .. }) => refused("indeterminate"),
            (_, Record::Completed { value, .. }) => Call::Ended(Ok(value)),
        };
        let wins = state == Call::Running;
        let gives_up = self.now + WAIT_MS;
        self.callers.push(Caller { key, guarantee, gives_up, state, renews: None });
        if wins {
            self.win(self.callers.len() - 1);
        }
    }

    fn win(&mut self, call: usize) {
        let caller = &mut self.callers[call];
        caller.state = Call::Running;
        caller.renews = Some(self.now + LEASE_MS / 3);
        let lapses = self.store_now + LEASE_MS;
        self.records[caller.key] =
            Record::Reserved { owner: call, lapses, guarantee: caller.guarantee, held: false };
    }

    fn finish(&mut self, call: usize, end: End, fault: Option<Fault>, running: &[usize]) {
        let candidates = self.those(|state| *state == Call::Running);
        let Some(&call) = candidates.get(call % candidates.len().max(1)) else { return };
        let key = self.callers[call].key;
        self.callers[call].renews = None;
        self.callers[call].state = match end {
            End::Ok => Call::Ended(Ok(call)),
            End::Fail => refused("failed"),
            End::Unknown => refused("unknown"),
            End::Hold => refused("held_by_itself"),
            End::Panic => refused("panicked"),
        };
        let until = self.store_now + TTL_MS;
        self.records[key] = match (end, self.records[key]) {
            (End::Ok, Record::Vacant) => Record::Completed { value: call, until },
            (End::Ok, Record::Reserved { owner, .. } | Record::Indeterminate { owner })
                if owner == call =>
            {
                Record::Completed { value: call, until }
            }
            (End::Fail, Record::Reserved { owner, .. }) if owner == call => Record::Vacant,
            (End::Hold, Record::Reserved { owner, lapses, guarantee, .. }) if owner == call => {
                Record::Reserved { owner, lapses, guarantee, held: true }
            }
            (End::Unknown | End::Panic, Record::Reserved { owner, guarantee, .. })
                if owner == call =>
            {
                match guarantee {
                    Guarantee::AtMostOnce => Record::Indeterminate { owner },
                    _ => {
                        self.refuse_waiters(key, "owner_failed");
                        Record::Vacant
                    }
                }
            }
            (_, record) => record,
        };
        self.react(key, running);
        if matches!(fault, Some(Fault::Fail | Fault::LoseAnswer)) {
            self.pass(RETRY_MS, 0, running);
        }
    }

    fn crash(&mut self, call: usize) {
        let candidates = self.those(|state| matches!(state, Call::Running | Call::Waiting));
        if let Some(&call) = candidates.get(call % candidates.len().max(1)) {
            let was_running = self.callers[call].state == Call::Running;
            self.callers[call].state = Call::Crashed;
            self.callers[call].renews = None;
            let key = self.callers[call].key;
            match &mut self.records[key] {
                Record::Reserved { owner, held, .. } if was_running && *owner == call => {
                    *held = true;
                    self.refuse_waiters(key, "held");
                }
                _ => {}
            }
        }
    }

    fn refuse_waiters(&mut self, key: usize, code: &str) {
        for caller in &mut self.callers {
            if caller.key == key && caller.state == Call::Waiting {
                caller.state = refused(code);
            }
        }
    }

    fn pass(&mut self, callers_ms: u64, store_ms: u64, running: &[usize]) {
        self.now += callers_ms;
        self.store_now += store_ms;
        for key in 0..KEYS {
            self.records[key] = match self.records[key] {
                Record::Reserved { owner, lapses, guarantee, .. } if lapses <= self.store_now => {
                    match guarantee {
                        Guarantee::AtMostOnce => Record::Indeterminate { owner },
                        _ => Record::Vacant,
                    }
                }
                Record::Completed { until, .. } if until <= self.store_now => Record::Vacant,
                record => record,
            };
            self.react(key, running);
        }
        for call in 0..self.callers.len() {
            self.renew(call);
            let caller = &mut self.callers[call];
            if caller.state == Call::Waiting && caller.gives_up <= self.now {
                caller.state = refused("in_progress");
            }
        }
    }

    fn renew(&mut self, call: usize) {
        let caller = &mut self.callers[call];
        if caller.renews.is_none_or(|renews| renews > self.now) {
            return;
        }
        caller.renews = None;
        match &mut self.records[caller.key] {
            Record::Reserved { owner, lapses, .. } if *owner == call => {
                *lapses = self.store_now + LEASE_MS;
                caller.renews = Some(self.now + LEASE_MS / 3);
            }
            _ => {}
        }
    }

    /// What waiters do about a record that has changed.
    fn react(&mut self, key: usize, running: &[usize]) {
        let waiting = self.those(|state| *state == Call::Waiting);
        let waiting: Vec<_> =
            waiting.into_iter().filter(|call| self.callers[*call].key == key).collect();
        match self.records[key] {
            Record::Reserved { held: true, .. } => self.refuse_waiters(key, "held"),
            Record::Reserved { .. } => {}
            Record::Vacant => {
                // One of them must have won. If the model cannot tell which, the views differ.
                let winner = waiting.iter().find(|call| running.contains(call));
                if let Some(&winner) = winner.or(waiting.first()) {
                    self.win(winner);
                }
            }
            Record::Indeterminate { .. } => {
                for call in waiting {
                    self.callers[call].state = refused("indeterminate");
                }
            }
            Record::Completed { value, .. } => {
                for call in waiting {
                    self.callers[call].state = Call::Ended(Ok(value));
                }
            }
        }
    }

    fn those(&self, wanted: impl Fn(&Call) -> bool) -> Vec<usize> {
        (0..self.callers.len()).filter(|call| wanted(&self.callers[*call].state)).collect()
    }
}
