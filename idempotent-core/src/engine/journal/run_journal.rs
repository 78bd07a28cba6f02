//! [`RunJournal`]: what one run of a call knows of its steps.

use std::collections::hash_map::Entry as Place;
use std::collections::{HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::{Notify, OnceCell};
use tokio::time::Instant;

use super::arrival::{Arrival, FirstArrival};
use super::poison::Poison;
use super::run_step::{Asked, RunStep, StepPhase, has_result};
use crate::error::{Error, ErrorKind};
use crate::model::{IdHasher, Record, RecordId, StepEntry, StepId, Token};

/// For so many steps a run has room at first.
const USUAL_STEPS: usize = 14;

/// What one run of a call knows of its steps.
pub(in crate::engine) struct RunJournal {
    /// The journal's name.
    pub(in crate::engine) name: Token,
    /// The reservation with the journal, as it is written.
    pub(in crate::engine) record: Record,
    /// Whether an earlier run has written steps.
    pub(in crate::engine) is_resumed: bool,
    /// When it was opened, and the wall time then.
    began: (Instant, Duration),
    state: Mutex<State>,
    /// Somebody may go on: a step has arrived, or the run is poisoned.
    pub(in crate::engine) changed: Notify,
    /// Set once the steps of earlier runs are there.
    pub(in crate::engine) loaded: OnceCell<()>,
}

struct State {
    poison: Option<Poison>,
    steps: HashMap<StepId, RunStep, IdHasher>,
    /// How many steps of which scope are expected.
    expected: HashMap<StepId, usize, IdHasher>,
    last_arrival: Instant,
    /// How often a step was asked for that had no result yet: the number of the last one.
    arrivals: u64,
    /// Steps that the next write names: they ran, and have no result.
    unnamed: Vec<(StepId, StepEntry)>,
    /// Steps that ended without a result, and how many had been asked for by then.
    failures: Vec<(StepId, usize)>,
    /// Whether anything was sent to the store.
    is_written: bool,
    /// Whether the store has said that it has the journal.
    is_marked: bool,
    bytes: usize,
}

/// What a write is to know of its journal.
pub(in crate::engine) struct WriteContext {
    /// The steps that it is to name.
    pub(in crate::engine) unnamed: Vec<(StepId, StepEntry)>,
    /// Whether the store has said that it has the journal.
    pub(in crate::engine) is_marked: bool,
}

impl RunJournal {
    pub(in crate::engine) fn new(name: Token, record: Record, is_resumed: bool) -> Self {
        let hasher = IdHasher::random();
        let began = (Instant::now(), wall_clock());
        let state = State {
            poison: None,
            steps: HashMap::with_capacity_and_hasher(USUAL_STEPS, hasher.clone()),
            expected: HashMap::with_hasher(hasher),
            last_arrival: began.0,
            arrivals: 0,
            unnamed: Vec::new(),
            failures: Vec::new(),
            is_written: is_resumed,
            is_marked: is_resumed,
            bytes: 0,
        };
        let (changed, loaded) = (Notify::new(), OnceCell::new());
        Self { name, record, is_resumed, began, state: Mutex::new(state), changed, loaded }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The wall time at a moment that was just read from the other clock, as time since 1970: that when the journal was
    /// opened, and what the other clock counted since then. What sets the wall clock within a run is not in it, nor is,
    /// on some systems, a time for which the machine was suspended. It is for people, and one clock is enough for each
    /// step.
    pub(in crate::engine) fn wall_time(&self, now: Instant) -> Duration {
        let (began, wall_time) = self.began;
        wall_time + now.saturating_duration_since(began)
    }

    /// Ends the run: no further step of it starts. What came first stays.
    pub(in crate::engine) fn poison(&self, poison: Poison) {
        let mut state = self.state();
        match &mut state.poison {
            Some(first) => first.in_doubt |= poison.in_doubt,
            none => *none = Some(poison),
        }
        drop(state);
        self.changed.notify_waiters();
    }

    pub(in crate::engine) fn poisoned(&self) -> Option<Poison> {
        self.state().poison.clone()
    }

    /// Whether the store may have a journal of this call.
    pub(in crate::engine) fn is_written(&self) -> bool {
        self.state().is_written
    }

    /// Takes note that the body asks for a step.
    pub(in crate::engine) fn arrive(
        &self,
        record: &RecordId,
        step: StepId,
        part_of: StepId,
        is_keyed: bool,
        label: impl FnOnce() -> String,
    ) -> Result<Arrival, Error> {
        let mut guard = self.state();
        let state = &mut *guard;
        // Asked before the step is looked for: another task may load it at any moment.
        let is_loaded = !self.is_resumed || self.loaded.initialized();
        if let Some(poison) = &state.poison {
            return Err(poison.error(record));
        }
        let asked = match state.steps.entry(step) {
            Place::Vacant(place) => {
                place.insert(RunStep::arrived(part_of));
                Asked::Anew { was_expected: false, is_recorded: false, stored: None }
            }
            Place::Occupied(mut place) => {
                place.get_mut().ask(is_keyed, is_loaded).map_err(|why| {
                    let why = format!("step `{}` {why}", label());
                    Error::of(ErrorKind::Misconfigured, record).detail(why)
                })?
            }
        };
        let (was_expected, is_recorded, stored) = match asked {
            Asked::Again(entry) => return Ok(Arrival::Recorded(entry)),
            Asked::Anew { was_expected, is_recorded, stored } => {
                (was_expected, is_recorded, stored)
            }
        };
        if was_expected {
            state.one_less(part_of);
        }
        state.arrivals += u64::from(!is_recorded);
        let (size, nth) = ((state.steps.len(), state.bytes), state.arrivals);
        // Only steps of a run that resumes wait for others.
        if self.is_resumed {
            state.last_arrival = Instant::now();
            drop(guard);
            self.changed.notify_waiters();
        }
        Ok(match stored {
            Some(entry) if is_recorded => Arrival::Recorded(entry),
            stored => Arrival::First(FirstArrival { stored, is_loaded, nth, size }),
        })
    }

    /// Takes the steps of earlier runs.
    pub(in crate::engine) fn load(&self, steps: Vec<(StepId, StepEntry)>) {
        let mut state = self.state();
        state.steps.reserve(steps.len());
        // Most are a part of the same call or step.
        let mut run: Option<(StepId, usize)> = None;
        for (step, entry) in steps {
            state.bytes += entry.as_bytes().len();
            let part_of = entry.part_of();
            match state.steps.entry(step) {
                Place::Occupied(mut there) => there.get_mut().stored = Some(entry),
                Place::Vacant(place) => {
                    let (stored, phase) = (Some(entry), StepPhase::Expected);
                    place.insert(RunStep { part_of, stored, phase });
                    run = match run {
                        Some((scope, count)) if scope == part_of => Some((scope, count + 1)),
                        ended => {
                            state.expect(ended);
                            Some((part_of, 1))
                        }
                    };
                }
            }
        }
        state.expect(run);
        state.last_arrival = Instant::now();
    }

    /// What the journal surely says of a step.
    pub(in crate::engine) fn stored(&self, step: &StepId) -> Option<StepEntry> {
        self.state().steps.get(step).and_then(|step| step.stored.clone())
    }

    /// Whether the journal knows steps of this call or step that the body has not asked for.
    pub(in crate::engine) fn is_expecting(&self, part_of: &StepId) -> bool {
        self.is_resumed && self.state().expected.contains_key(part_of)
    }

    /// The labels of these steps.
    pub(in crate::engine) fn missing(&self, part_of: &StepId) -> String {
        let state = self.state();
        let missing = state
            .steps
            .values()
            .filter(|step| step.phase == StepPhase::Expected && step.part_of == *part_of);
        // What is expected is what the journal says.
        let entries = missing.filter_map(|step| step.stored.as_ref());
        let labels = entries.map(|entry| format!("`{}`", label(entry.name(), entry.key())));
        let mut labels: Vec<String> = labels.collect();
        labels.sort_unstable();
        let more = labels.len().saturating_sub(5);
        labels.truncate(5);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        labels.join(", ") + &more
    }

    /// Whether the body of a step runs, or its end is being written, apart from steps that themselves wait for a
    /// step within them.
    pub(in crate::engine) fn is_busy(&self) -> bool {
        let state = self.state();
        let is_active = |phase| matches!(phase, StepPhase::Arrived | StepPhase::Running);
        let outer: HashSet<StepId> = state
            .steps
            .values()
            .filter(|step| is_active(step.phase))
            .map(|step| step.part_of)
            .collect();
        let mut steps = state.steps.iter();
        steps.any(|(id, step)| step.phase == StepPhase::Running && !outer.contains(id))
    }

    /// When a step was last asked for.
    pub(in crate::engine) fn last_arrival(&self) -> Instant {
        self.state().last_arrival
    }

    /// How many steps there are, and the bytes of their entries.
    pub(in crate::engine) fn size(&self) -> (usize, usize) {
        let state = self.state();
        (state.steps.len(), state.bytes)
    }

    /// Marks that a write is sent, and returns what it is to know.
    pub(in crate::engine) fn before_write(&self) -> WriteContext {
        let mut state = self.state();
        state.is_written = true;
        WriteContext { unnamed: state.unnamed.clone(), is_marked: state.is_marked }
    }

    /// Whether a write has named a step, or the next one will.
    pub(in crate::engine) fn is_named(&self, step: &StepId) -> bool {
        let state = self.state();
        state.steps.get(step).is_some_and(|step| step.stored.is_some())
            || state.unnamed.iter().any(|(unnamed, _)| unnamed == step)
    }

    /// Has the next write name a step.
    pub(in crate::engine) fn name(&self, step: StepId, entry: StepEntry) {
        if !self.is_named(&step) {
            self.state().unnamed.push((step, entry));
        }
    }

    /// Takes note of what a write has written: what ends a step ends it here, too.
    pub(in crate::engine) fn after_write(
        &self,
        step: StepId,
        entry: StepEntry,
        also: Vec<(StepId, StepEntry)>,
    ) {
        let mut state = self.state();
        state.is_marked = true;
        state.bytes += entry.as_bytes().len();
        for (named, entry) in also {
            state.unnamed.retain(|(unnamed, _)| *unnamed != named);
            if let Some(step) = state.steps.get_mut(&named).filter(|step| step.stored.is_none()) {
                step.stored = Some(entry);
            }
        }
        state.unnamed.retain(|(unnamed, _)| *unnamed != step);
        if let Some(step) = state.steps.get_mut(&step) {
            if has_result(&entry) {
                step.phase = StepPhase::Succeeded;
            }
            step.stored = Some(entry);
        }
    }

    /// Takes note that the body of a step runs, which only those want to know that wait for others.
    pub(in crate::engine) fn started(&self, step: &StepId) {
        if !self.is_resumed {
            return;
        }
        if let Some(step) = self.state().steps.get_mut(step) {
            step.phase = StepPhase::Running;
        }
    }

    /// Takes note that a step has ended without a result.
    pub(in crate::engine) fn failed(&self, step: &StepId) {
        let mut state = self.state();
        let asked_for = state.steps.len();
        if let Some(failed) = state.steps.get_mut(step) {
            failed.phase = StepPhase::Failed;
            state.failures.push((*step, asked_for));
        }
    }

    /// The label of a step that has ended without a result, and has none by now, although the body has gone on to another one:
    /// perhaps to make up for it.
    pub(in crate::engine) fn gone_on_from(&self) -> Option<String> {
        let state = self.state();
        let (step, _) = state.failures.iter().find(|(step, asked_for)| {
            let phase = state.steps.get(step).map(|step| step.phase);
            phase == Some(StepPhase::Failed) && state.steps.len() > *asked_for
        })?;
        let stored = state.steps.get(step).and_then(|step| step.stored.as_ref());
        let mut unnamed = state.unnamed.iter();
        let entry =
            stored.or_else(|| unnamed.find(|(id, _)| id == step).map(|(_, entry)| entry))?;
        Some(label(entry.name(), entry.key()))
    }

    /// Takes note that a step has a result.
    pub(in crate::engine) fn succeeded(&self, step: &StepId) {
        if let Some(step) = self.state().steps.get_mut(step) {
            step.phase = StepPhase::Succeeded;
        }
    }
}

impl State {
    fn expect(&mut self, steps: Option<(StepId, usize)>) {
        if let Some((part_of, count)) = steps {
            *self.expected.entry(part_of).or_default() += count;
        }
    }

    fn one_less(&mut self, part_of: StepId) {
        if let Place::Occupied(mut count) = self.expected.entry(part_of) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
    }
}

/// The wall time now, as time since 1970.
pub(in crate::engine) fn wall_clock() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// A step, for people.
pub(in crate::engine) fn label(name: &str, key: Option<&str>) -> String {
    match key {
        Some(key) => format!("{name}[{key}]"),
        None => name.to_owned(),
    }
}
