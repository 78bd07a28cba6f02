//! [`Run`]: one run of a body, as its steps see it, and [`Event`], what they wait for.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use fastrand::Rng;

use super::journal::{Journal, Path, Write};
use super::program::Name;
use super::rules::GateRules;

/// A run that its futures share.
pub(super) type Shared = Rc<RefCell<Run>>;

/// After so many events without an arrival an impatient gate refuses.
const IMPATIENT: u32 = 5;

/// One run of a body.
pub(super) struct Run {
    pub(super) rules: GateRules,
    pub(super) rng: Rng,
    /// How many of a hundred bodies fail.
    pub(super) failures: u32,
    /// How many of a hundred timeouts come before the end.
    pub(super) timeouts: u32,
    /// What the store knows, which a crash leaves.
    pub(super) journal: Journal,
    /// What the run has read, if it is a resumed one.
    pub(super) loaded: Option<Journal>,
    /// Every effect so far, of this run and of those before.
    pub(super) effects: Vec<Path>,
    /// The steps that were asked for.
    pub(super) arrived: BTreeSet<Path>,
    /// The steps that failed and that no write has named.
    pub(super) tried: Vec<Path>,
    /// Whether it may not go on.
    pub(super) poisoned: bool,
    /// Whether its futures are dropped since its process is dead.
    pub(super) crashed: bool,
    /// The end of a scope found that steps are missing.
    pub(super) refused: bool,
    /// How many steps wait at the gate.
    pub(super) waiting: u32,
    /// How many events there were since a step was asked for.
    pub(super) quiet: u32,
    /// Counts what may let somebody pass the gate.
    pub(super) progress: u64,
    pending: Vec<Pending>,
    happened: BTreeSet<u64>,
    events: u64,
}

struct Pending {
    id: u64,
    write: Option<Write>,
}

impl Run {
    pub(super) fn new(rules: GateRules, rng: Rng, journal: Journal, effects: Vec<Path>) -> Self {
        Self {
            rules,
            rng,
            failures: 0,
            timeouts: 0,
            journal,
            loaded: None,
            effects,
            arrived: BTreeSet::new(),
            tried: Vec::new(),
            poisoned: false,
            crashed: false,
            refused: false,
            waiting: 0,
            quiet: 0,
            progress: 0,
            pending: Vec::new(),
            happened: BTreeSet::new(),
            events: 0,
        }
    }

    /// Lets one of the awaited events happen. Tells whether there was one.
    pub(super) fn happen(&mut self) -> bool {
        if self.pending.is_empty() {
            return false;
        }
        let at = self.rng.usize(0..self.pending.len());
        let Pending { id, write } = self.pending.swap_remove(at);
        if let Some(write) = write {
            self.journal.write(write);
        }
        self.happened.insert(id);
        true
    }

    /// Whether the steps at the gate go on waiting after an event.
    pub(super) fn is_patient(&mut self) -> bool {
        self.quiet += 1;
        self.rules.patient || self.waiting == 0 || self.quiet < IMPATIENT
    }

    /// Whether all that the journal expects in a scope was asked for.
    pub(super) fn has_all(&self, scope: &[Name]) -> bool {
        let Some(loaded) = &self.loaded else { return true };
        loaded.expected(scope).all(|path| self.arrived.contains(path))
    }

    pub(super) fn chance(&mut self, of_a_hundred: u32) -> bool {
        self.rng.u32(0..100) < of_a_hundred
    }
}

/// Something that happens when the scheduler says so: a body has ended, or the store has done a write.
/// A write whose future is dropped may have been done all the same.
pub(super) struct Event {
    run: Shared,
    write: Option<Write>,
    id: Option<u64>,
}

impl Event {
    pub(super) fn new(run: &Shared, write: Option<Write>) -> Self {
        Self { run: Rc::clone(run), write, id: None }
    }
}

impl Future for Event {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        let write = self.write.take();
        let run = Rc::clone(&self.run);
        let mut run = run.borrow_mut();
        match self.id {
            None => {
                run.events += 1;
                let id = run.events;
                run.pending.push(Pending { id, write });
                self.id = Some(id);
                Poll::Pending
            }
            Some(id) if run.happened.remove(&id) => {
                run.progress += 1;
                Poll::Ready(())
            }
            Some(_) => Poll::Pending,
        }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let mut run = self.run.borrow_mut();
        let Some(at) = run.pending.iter().position(|pending| Some(pending.id) == self.id) else {
            return;
        };
        let Pending { write, .. } = run.pending.swap_remove(at);
        if let Some(write) = write.filter(|_| run.rng.bool()) {
            run.journal.write(write);
        }
    }
}
