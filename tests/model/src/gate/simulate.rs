//! Calls of random programs: crashed, resumed, and resumed by a program with a changed step.

use std::cell::RefCell;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use fastrand::Rng;

use super::interpreter::body;
use super::journal::{Journal, Path};
use super::program::{Name, Node, RENAMED};
use super::random::{Shape, random};
use super::rules::GateRules;
use super::run::Run;

/// How a run ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// The body was `Ok`, and the call completed.
    Completed,
    /// The body ended in its own error.
    Failed,
    /// Its process died.
    Crashed,
    /// It was poisoned.
    Suspended,
    /// It was `Incompatible`.
    Refused,
}

/// What a deployment did to a step between two runs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change {
    /// Its name is another one.
    Renamed,
    /// It is gone.
    Removed,
}

/// A call of a random program, over all its runs.
#[derive(Debug)]
pub struct Call {
    program: Node,
    rules: GateRules,
    rng: Rng,
    journal: Journal,
    effects: Vec<Path>,
    runs: u32,
    crashes: u32,
}

/// After so many runs nothing fails any more, and the next one ends.
const RESTLESS: u32 = 8;

impl Call {
    /// A call of a program of this shape. The same seed is the same call.
    #[must_use]
    pub fn new(seed: u64, shape: Shape, rules: GateRules) -> Self {
        let mut rng = Rng::with_seed(seed);
        let program = random(&mut rng, shape);
        let crashes = rng.u32(1..=3);
        let (journal, effects) = (Journal::default(), Vec::new());
        Self { program, rules, rng, journal, effects, runs: 0, crashes }
    }

    /// The program that it runs now.
    #[must_use]
    pub fn program(&self) -> &Node {
        &self.program
    }

    /// Runs until the call has completed or was refused.
    ///
    /// # Errors
    ///
    /// The path of a step that took effect again although it was recorded.
    pub fn finish(&mut self) -> Result<End, Path> {
        loop {
            let recorded: Vec<Path> = self.journal.visible().into_iter().cloned().collect();
            let before = self.effects.len();
            let end = self.run();
            if let Some(again) = self.effects[before..].iter().find(|path| recorded.contains(path))
            {
                return Err(again.clone());
            }
            if end == End::Completed || end == End::Refused {
                return Ok(end);
            }
        }
    }

    /// Runs until a run left recorded steps behind, and changes one of them. Tells which, or nothing
    /// if the call ended first.
    pub fn change(&mut self, change: Change) -> Option<Path> {
        while matches!(self.run(), End::Crashed | End::Suspended | End::Failed) {
            let visible = self.journal.visible();
            if visible.is_empty() {
                continue;
            }
            let path = visible[self.rng.usize(0..visible.len())];
            let path = path[..self.rng.usize(1..=path.len())].to_vec();
            let name: Name = *path.last()?;
            self.program = match change {
                Change::Renamed => self.program.renamed(name),
                Change::Removed => self.program.removed(name),
            };
            return Some(path);
        }
        None
    }

    /// Whether a step around this one is recorded.
    #[must_use]
    pub fn has_recorded_around(&self, path: &[Name]) -> bool {
        (1..path.len()).any(|len| self.journal.value(&path[..len]).is_some())
    }

    /// Whether a renamed step, or a step inside of it, had an effect that it had under its old name.
    #[must_use]
    pub fn has_second_effect(&self, renamed: &[Name]) -> bool {
        let at = renamed.len() - 1;
        self.effects.iter().any(|path| {
            let is_new = path.get(at).is_some_and(|name| *name == renamed[at] | RENAMED);
            let mut old = path.clone();
            if is_new {
                old[at] = renamed[at];
            }
            is_new && path[..at] == renamed[..at] && self.effects.contains(&old)
        })
    }

    /// One run.
    pub fn run(&mut self) -> End {
        let calm = self.runs >= RESTLESS;
        let crash_at = (self.crashes > 0 && !calm).then(|| self.rng.u32(1..24));
        let mut run = Run::new(
            self.rules,
            self.rng.fork(),
            std::mem::take(&mut self.journal),
            std::mem::take(&mut self.effects),
        );
        if !calm {
            (run.failures, run.timeouts) = (20, 30);
        }
        if self.runs > 0 {
            run.loaded = Some(run.journal.clone());
        }
        self.runs += 1;
        let run = Rc::new(RefCell::new(run));
        let end = drive(&run, &self.program, crash_at);
        self.crashes -= u32::from(end == End::Crashed);
        let mut run = run.borrow_mut();
        self.journal = std::mem::take(&mut run.journal);
        self.effects = std::mem::take(&mut run.effects);
        end
    }
}

/// Polls a body, and lets one event after the other happen in between, until it ends or crashes.
fn drive(run: &Rc<RefCell<Run>>, program: &Node, crash_at: Option<u32>) -> End {
    let mut root = body(run, program);
    let mut context = Context::from_waker(Waker::noop());
    let mut events = 0;
    let result = loop {
        let before = run.borrow().progress;
        let polled = root.as_mut().poll(&mut context);
        if run.borrow().refused {
            return End::Refused;
        }
        if run.borrow().poisoned {
            return End::Suspended;
        }
        if let Poll::Ready(result) = polled {
            break result;
        }
        if run.borrow().progress != before {
            continue; // Somebody may pass the gate now.
        }
        if !run.borrow_mut().happen() {
            return End::Refused; // Nothing arrives any more.
        }
        events += 1;
        if !run.borrow_mut().is_patient() {
            return End::Refused;
        }
        if crash_at == Some(events) {
            run.borrow_mut().crashed = true;
            return End::Crashed;
        }
    };
    let run = run.borrow();
    match result {
        Err(_) => End::Failed,
        Ok(()) if run.rules.end_of_scope && !run.has_all(&[]) => End::Refused,
        Ok(()) => End::Completed,
    }
}
