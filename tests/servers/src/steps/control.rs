//! What the test wants of the proxy, and what the proxy saw.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::session::Step;

/// Where a transaction stands still, at one of its steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Halt {
    /// The server has got all that came before, and not this.
    Before,
    /// The server has done it, and nothing of its answer has arrived.
    Unanswered,
    /// The answer has arrived, and nothing more reaches the server.
    Answered,
}

impl Halt {
    /// All three, in their order.
    pub const ALL: [Halt; 3] = [Halt::Before, Halt::Unanswered, Halt::Answered];
}

/// A transaction that stands still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Halted {
    number: u32,
    halt: Halt,
    step: Step,
}

impl Halted {
    pub(super) fn new(wanted: &Wanted, step: Step) -> Halted {
        Halted { number: wanted.number, halt: wanted.halt, step }
    }

    /// The step's number, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Where at that step.
    #[must_use]
    pub fn halt(&self) -> Halt {
        self.halt
    }

    /// Which step it is.
    #[must_use]
    pub fn step(&self) -> &Step {
        &self.step
    }
}

/// What is to stand still.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) number: u32,
    /// Whatever it is, if nothing is said.
    pub(super) step: Option<Step>,
    pub(super) halt: Halt,
}

impl Wanted {
    fn is(&self, number: u32, step: &Step) -> bool {
        self.number == number && self.step.as_ref().is_none_or(|wanted| wanted == step)
    }
}

/// Shared by the handle and the connections.
#[derive(Debug, Default)]
pub(super) struct Control {
    shared: Mutex<Shared>,
    stands: Notify,
}

#[derive(Debug, Default)]
struct Shared {
    wanted: Option<Wanted>,
    halted: Option<Halted>,
    seen: BTreeSet<Vec<Step>>,
}

impl Control {
    pub(super) fn halt(&self, wanted: Wanted) {
        self.shared().wanted = Some(wanted);
    }

    pub(super) fn let_pass(&self) {
        self.shared().wanted = None;
    }

    pub(super) fn is_armed(&self) -> bool {
        self.shared().wanted.is_some()
    }

    /// Whether a transaction is to stand still at that step. The first to come is the only one.
    pub(super) fn reached(&self, number: u32, step: &Step) -> Option<Wanted> {
        self.shared().wanted.take_if(|wanted| wanted.is(number, step))
    }

    pub(super) fn halted(&self, halted: Halted) {
        self.shared().halted = Some(halted);
        self.stands.notify_one();
    }

    pub(super) fn take_halted(&self) -> Option<Halted> {
        self.shared().halted.take()
    }

    pub(super) async fn stands(&self) -> Halted {
        loop {
            if let Some(halted) = self.take_halted() {
                return halted;
            }
            self.stands.notified().await;
        }
    }

    pub(super) fn over(&self, steps: Vec<Step>) {
        self.shared().seen.insert(steps);
    }

    pub(super) fn seen(&self) -> BTreeSet<Vec<Step>> {
        self.shared().seen.clone()
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
