//! What a seed runs in: two servers, a clock, and what has happened outside of the stores.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use idempotent_core::Guarantee;
use idempotent_core::backends::MigrationMode;
use idempotent_core::model::{RecordId, Token};
use idempotent_core::store::{Clock as _, StoreError};
use idempotent_core::testing::ManualClock;

use super::node::Node;
use super::random::Random;
use super::schedule::Plan;

use MigrationMode::{Both, New, Old};

/// The modes that run side by side, one stage after the other.
pub(super) const STAGES: [[MigrationMode; 2]; 5] =
    [[Old, Old], [Old, Both], [Both, Both], [Both, New], [New, New]];

/// What faults are called in a trace.
pub(super) const GIVEN_UP: &str = "a store is given up that does not answer";
pub(super) const LATE: &str = "a late request arrives";

/// When leases may lapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lapses {
    /// At any moment.
    Any,
    /// Only while nobody holds a reservation and runs.
    OfTheDead,
}

/// What has happened, outside of the stores.
#[derive(Default)]
pub(super) struct Ledger {
    pub(super) effects: Vec<Token>,
    /// Results that their owner knows to be recorded.
    pub(super) recorded: Vec<Token>,
    pub(super) replayed: Vec<Token>,
    /// Callers that have won and not ended.
    pub(super) running: usize,
    pub(super) violations: Vec<String>,
    /// What happened, in order.
    pub(super) trace: Vec<(&'static str, Duration)>,
}

pub(super) struct World {
    pub(super) id: &'static RecordId,
    pub(super) guarantee: Guarantee,
    pub(super) lapses: Lapses,
    pub(super) clock: ManualClock,
    pub(super) old: Node,
    pub(super) new: Node,
    pub(super) random: Arc<Random>,
    pub(super) stage: Mutex<usize>,
    /// Who runs while others stand still, for a while.
    pub(super) favoured: Mutex<u64>,
    pub(super) ledger: Mutex<Ledger>,
}

/// Counts a caller that has won, until it ends or dies.
pub(super) struct Running(Arc<World>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.ledger.lock().unwrap().running -= 1;
    }
}

impl World {
    pub(super) fn new(seed: u64, Plan { guarantee, lapses, .. }: Plan) -> Arc<Self> {
        let clock = ManualClock::new();
        let random = Arc::new(Random::new(seed));
        let (old, new) = (Node::new(&clock, &random), Node::new(&clock, &random));
        static ID: OnceLock<RecordId> = OnceLock::new();
        let id = ID.get_or_init(|| RecordId::of("shop::charge", None, &"order").unwrap());
        let (stage, favoured, ledger) = (Mutex::new(0), Mutex::new(0), Mutex::default());
        Arc::new(Self { id, guarantee, lapses, clock, old, new, random, stage, favoured, ledger })
    }

    /// Whether a result stands where every process looks that may run now.
    fn everybody_sees_a_result(&self) -> bool {
        let has_old_readers = STAGES[*self.stage.lock().unwrap()].contains(&Old);
        self.old.has_result.load(Relaxed) || (!has_old_readers && self.new.has_result.load(Relaxed))
    }

    /// Notes that a store was given up that did not answer in time, before its client gave up by itself.
    pub(super) fn note_if_given_up(&self, error: &StoreError) {
        if error.to_string().ends_with("did not answer in time") {
            self.note(GIVEN_UP);
        }
    }

    pub(super) fn note(&self, what: &'static str) {
        let now = self.clock.now();
        self.ledger.lock().unwrap().trace.push((what, now));
    }

    /// Counts a caller that has won.
    pub(super) fn begin(self: &Arc<Self>) -> Running {
        self.note("won");
        let mut ledger = self.ledger.lock().unwrap();
        ledger.running += 1;
        if self.lapses == Lapses::OfTheDead && ledger.running > 1 {
            ledger.violations.push("two calls run at once, and no lease has lapsed".into());
        }
        Running(Arc::clone(self))
    }

    pub(super) fn effect(&self, token: Token) {
        self.note("effect");
        let mut ledger = self.ledger.lock().unwrap();
        if self.guarantee == Guarantee::AtMostOnce && !ledger.effects.is_empty() {
            ledger.violations.push("the effect happened twice, at most once".into());
        }
        if self.everybody_sees_a_result() {
            ledger.violations.push("the effect happened again after its result was written".into());
        }
        if !ledger.recorded.is_empty() {
            ledger
                .violations
                .push("the effect happened again after its result was recorded".into());
        }
        ledger.effects.push(token);
    }

    pub(super) fn replay(&self, payload: &[u8]) {
        self.note("replayed");
        let token = Token::from_bytes(payload.try_into().unwrap());
        self.ledger.lock().unwrap().replayed.push(token);
    }
}
