//! The engine, driven by the same steps.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use idempotent_core::backends::MemoryStore;
use idempotent_core::store::State;
use idempotent_core::testing::{Fault, FaultyStore, ManualClock, StoreMethod, When};
use idempotent_core::{Disposition, Error, Idempotency, Operation};
use idempotent_tests::{millis, settle};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::advance;

use super::reference::{Call, View};
use super::script::{End, KEYS, LEASE_MS, RETRY_MS, Step, TTL_MS, WAIT_MS};

const OPERATION: Operation = Operation::new("model").lease(millis(LEASE_MS)).ttl(millis(TTL_MS));

pub(crate) struct EngineDriver {
    engine: Idempotency,
    store: FaultyStore<MemoryStore>,
    clock: ManualClock,
    callers: Vec<Caller>,
}

struct Caller {
    state: Arc<Mutex<Call>>,
    finish: Option<oneshot::Sender<End>>,
    task: JoinHandle<()>,
}

enum Failure {
    Fail,
    Unknown,
    Hold,
    Refused(&'static str),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error.code())
    }
}

fn disposition(failure: &Failure) -> Disposition {
    match failure {
        Failure::Unknown => Disposition::Unknown,
        Failure::Hold => Disposition::HoldForLease,
        Failure::Fail | Failure::Refused(_) => Disposition::Release,
    }
}

impl EngineDriver {
    pub(crate) fn new() -> Self {
        let clock = ManualClock::new();
        let store = MemoryStore::builder().clock(Arc::new(clock.clone())).build();
        let store = FaultyStore::new(store);
        // The reference asks the store each time.
        let engine = Idempotency::builder(store.clone()).without_circuit().build();
        Self { engine, store, clock, callers: Vec::new() }
    }

    pub(crate) async fn take(&mut self, step: &Step) {
        match step {
            Step::Start { key, guarantee, waits, fault } => {
                self.inject(StoreMethod::Reserve, *fault);
                let operation = OPERATION.guarantee(*guarantee);
                let operation = if *waits { operation.wait(millis(WAIT_MS)) } else { operation };
                self.start(operation, *key);
            }
            Step::Finish { call, end, fault } => self.finish(*call, *end, *fault).await,
            Step::Crash { call } => self.crash(*call),
            Step::Pass(seconds) => {
                for _ in 0..*seconds {
                    self.clock.advance(Duration::from_secs(1));
                    settle().await;
                    advance(Duration::from_secs(1)).await;
                    settle().await;
                }
            }
            Step::Lapse => self.clock.advance(millis(LEASE_MS + 1)),
            Step::Expire => self.clock.advance(millis(TTL_MS + 1)),
        }
        settle().await;
        self.store.heal();
    }

    pub(crate) async fn view(&self) -> View {
        let calls = self.callers.iter().map(|caller| caller.state.lock().unwrap().clone());
        let mut records = Vec::new();
        for key in 0..KEYS {
            let id = self.engine.record_id("model", None, &key).unwrap();
            let seen = self.engine.inspect(&id).await.unwrap();
            // A reservation that lapsed under at least once counts as vacant.
            records.push(seen.map(|seen| seen.state()).filter(|state| *state != State::Lapsed));
        }
        View { calls: calls.collect(), records }
    }

    pub(crate) fn running(&self) -> Vec<usize> {
        self.those(|state| *state == Call::Running)
    }

    fn inject(&self, call: StoreMethod, fault: Option<Fault>) {
        if let Some(fault) = fault {
            self.store.inject(call, When::Nth(self.store.calls(call) + 1), fault);
        }
    }

    fn start(&mut self, operation: Operation, key: usize) {
        let state = Arc::new(Mutex::new(Call::Waiting));
        let (finish, finished) = oneshot::channel();
        let number = self.callers.len();
        let call = operation.key(&key).engine(&self.engine);
        let call = call.returning::<Result<usize, Failure>>().on_error(disposition);
        let set = {
            let state = Arc::clone(&state);
            move |to| *state.lock().unwrap() = to
        };
        let run = call.run({
            let set = set.clone();
            move || async move {
                set(Call::Running);
                match finished.await.unwrap() {
                    End::Ok => Ok(number),
                    End::Fail => Err(Failure::Fail),
                    End::Unknown => Err(Failure::Unknown),
                    End::Hold => Err(Failure::Hold),
                    End::Panic => std::panic::resume_unwind(Box::new("half way")),
                }
            }
        });
        let task = tokio::spawn(async move {
            let ended = AssertUnwindSafe(run).catch_unwind().await;
            let code = match ended {
                Ok(Ok(value)) => return set(Call::Ended(Ok(value))),
                Ok(Err(Failure::Fail)) => "failed",
                Ok(Err(Failure::Unknown)) => "unknown",
                Ok(Err(Failure::Hold)) => "held_by_itself",
                Ok(Err(Failure::Refused(code))) => code,
                Err(_) => "panicked",
            };
            set(Call::Ended(Err(code.to_owned())));
        });
        self.callers.push(Caller { state, finish: Some(finish), task });
    }

    async fn finish(&mut self, call: usize, end: End, fault: Option<Fault>) {
        let candidates = self.running();
        let Some(&call) = candidates.get(call % candidates.len().max(1)) else { return };
        match end {
            End::Ok => self.inject(StoreMethod::Complete, fault),
            End::Fail => self.inject(StoreMethod::Release, fault),
            End::Hold => self.inject(StoreMethod::Abandon, fault),
            // Which of the two it takes is up to the guarantee.
            End::Unknown => {
                self.inject(StoreMethod::Release, fault);
                self.inject(StoreMethod::Abandon, fault);
            }
            End::Panic => {}
        }
        self.callers[call].finish.take().unwrap().send(end).unwrap();
        settle().await;
        if matches!(fault, Some(Fault::Fail | Fault::LoseAnswer)) {
            advance(millis(RETRY_MS)).await;
        }
    }

    fn crash(&mut self, call: usize) {
        let candidates = self.those(|state| matches!(state, Call::Running | Call::Waiting));
        if let Some(&call) = candidates.get(call % candidates.len().max(1)) {
            self.callers[call].task.abort();
            *self.callers[call].state.lock().unwrap() = Call::Crashed;
        }
    }

    fn those(&self, wanted: impl Fn(&Call) -> bool) -> Vec<usize> {
        let states = self.callers.iter().map(|caller| wanted(&caller.state.lock().unwrap()));
        states.enumerate().filter_map(|(call, wanted)| wanted.then_some(call)).collect()
    }
}
