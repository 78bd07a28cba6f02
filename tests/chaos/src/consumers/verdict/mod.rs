//! What a run has shown, and which promises it broke.
//!
//! A verdict is a pure function of the [`Evidence`]: the ledgers, what is parked, and what the broker still had.

mod fault;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use idempotent_core::Guarantee;

pub use self::fault::Fault;
use super::worker::is_poison;
use super::{Parked, Settings, Store};
use crate::checker::{self, Cause, History, IncidentKind, Rules};
use crate::ledger::{Answer, Phase, Process, Said, Settled};
use crate::row::Promise;
use crate::timestamp::Timestamp;

/// Tasks that clients of brokers and stores may have more than at the start.
const SPARE_TASKS: usize = 8;
const SPARE_MEMORY: u64 = 64 * 1024 * 1024;
/// The reason of a dead letter of which nobody knows whether its handler took effect.
const INDETERMINATE: &str = "indeterminate";

/// All that is known of a run when it is over.
pub(super) struct Evidence<'a> {
    pub(super) settings: &'a Settings,
    /// Effects, and what befell workers.
    pub(super) history: History,
    /// When handlers began, of which process and of which message.
    pub(super) began: Vec<(Process, u32, Timestamp)>,
    /// What the broker was told, and by which process.
    pub(super) settled: Vec<(Process, Settled)>,
    /// How often each message was published, at most.
    pub(super) published: Vec<u32>,
    pub(super) parked: Vec<Parked>,
    /// What the broker had neither settled nor parked when time was up.
    pub(super) left: u64,
    /// How often the broker was killed.
    pub(super) restarts: usize,
    /// How long after the last fault all was settled.
    pub(super) took: Duration,
}

/// What a run has shown.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verdict {
    /// How many messages there were.
    pub messages: usize,
    /// How often they were published, at most.
    pub published: usize,
    /// How many workers were killed.
    pub kills: usize,
    /// How often workers were frozen or cut off from their stores.
    pub pauses: usize,
    /// How often the broker was killed.
    pub restarts: usize,
    /// How many effects there were.
    pub effects: usize,
    /// Second effects, by cause.
    pub duplicates: BTreeMap<Cause, usize>,
    /// Deliveries by outcome.
    pub outcomes: BTreeMap<String, usize>,
    /// Handlers that ran when their worker was killed.
    pub interrupted: usize,
    /// Messages without an effect of which nobody knows that, and that are parked.
    pub indeterminate: usize,
    /// Poison messages that are parked.
    pub poison: usize,
    /// How long after the last fault all was settled.
    pub took: Duration,
    /// The promises that were broken.
    pub faults: Vec<Fault>,
}

/// Compares what was found with what is promised.
pub(super) fn verdict(evidence: &Evidence<'_>) -> Verdict {
    let Evidence { settings, published, .. } = evidence;
    let history = with_answers(evidence);
    let rules = rules(settings);
    let mut faults = Vec::new();
    if evidence.left > 0 {
        let within = settings.settled_within;
        faults.push(Fault::Stuck { messages: evidence.left, within });
    }
    let duplicates = checker::duplicates(&history, &rules);
    let broken = |cause| match rules.promise {
        Promise::NoDuplicates => true,
        Promise::OwnersLost | Promise::FaultsOnly => cause == Cause::Unexplained,
    };
    let second = duplicates.iter().filter(|duplicate| broken(duplicate.cause));
    faults.extend(second.map(|&duplicate| Fault::of(checker::Fault::Duplicate(duplicate))));
    judge_acknowledged(&history, &mut faults);
    let mut left_behind = Vec::new();
    checker::judge_workers(&history, &rules, &mut left_behind);
    faults.extend(left_behind.into_iter().map(Fault::of));
    let (indeterminate, poison) = judge_messages(evidence, &history, &mut faults);
    let interrupted = interrupted(evidence);
    if settings.kills > 0 && interrupted == 0 {
        faults.push(Fault::NothingInterrupted);
    }
    let mut verdict = Verdict {
        messages: published.len(),
        published: published.iter().map(|&times| times as usize).sum(),
        kills: incidents(&history, |kind| matches!(kind, IncidentKind::Killed(_))),
        pauses: incidents(&history, |kind| matches!(kind, IncidentKind::Paused(_))),
        restarts: evidence.restarts,
        effects: history.effects.len(),
        interrupted,
        indeterminate,
        poison,
        took: evidence.took,
        faults,
        ..Verdict::default()
    };
    for duplicate in duplicates {
        *verdict.duplicates.entry(duplicate.cause).or_default() += 1;
    }
    for (_, settled) in &evidence.settled {
        *verdict.outcomes.entry(settled.outcome.clone()).or_default() += 1;
    }
    verdict
}

fn rules(settings: &Settings) -> Rules {
    let is_strict = settings.store == Store::Inbox || settings.guarantee == Guarantee::AtMostOnce;
    Rules {
        guarantee: settings.guarantee,
        promise: if is_strict { Promise::NoDuplicates } else { Promise::OwnersLost },
        lease: settings.lease(),
        keys: settings.messages,
        least_results: 0,
        recovery: settings.settled_within,
        disturbed: false,
        spare_tasks: SPARE_TASKS,
        spare_memory: SPARE_MEMORY,
    }
}

/// The history, in which a recorded effect is an answer.
fn with_answers(evidence: &Evidence<'_>) -> History {
    let mut history = evidence.history.clone();
    for (process, settled) in &evidence.settled {
        let Some(effect) = settled.effect else { continue };
        let said = Said::Executed(effect);
        let answer = Answer { at: settled.at, key: settled.key, during: Phase::Load, said };
        history.answers.push((*process, answer));
    }
    history
}

/// What was acknowledged as executed has had its effect.
fn judge_acknowledged(history: &History, faults: &mut Vec<Fault>) {
    let had: BTreeSet<_> = history.effects.iter().map(|effect| (effect.key, effect.id)).collect();
    for (_, answer) in &history.answers {
        let Said::Executed(effect) = answer.said else { continue };
        if !had.contains(&(answer.key, effect)) {
            faults.push(Fault::of(checker::Fault::NoEffect { key: answer.key, effect }));
        }
    }
}

/// Every message has had its effect, or is parked where it may be. Returns how many are parked as indeterminate without an
/// effect, and how many as poison.
fn judge_messages(
    evidence: &Evidence<'_>,
    history: &History,
    faults: &mut Vec<Fault>,
) -> (usize, usize) {
    let effects: BTreeSet<u32> = history.effects.iter().map(|effect| effect.key).collect();
    let mut parked: BTreeMap<u32, BTreeSet<&str>> = BTreeMap::new();
    for letter in &evidence.parked {
        parked.entry(letter.key).or_default().insert(letter.reason.as_str());
    }
    let may_be_unknown = evidence.settings.guarantee == Guarantee::AtMostOnce;
    let (mut indeterminate, mut poison) = (0, 0);
    for key in 0..evidence.settings.messages {
        let reasons = parked.remove(&key).unwrap_or_default();
        let has_effect = effects.contains(&key);
        if is_poison(key) {
            poison += usize::from(!reasons.is_empty());
            match (has_effect, reasons.is_empty()) {
                (true, _) => faults.push(Fault::PoisonHandled { key }),
                (false, true) => faults.push(Fault::Lost { key }),
                (false, false) => {}
            }
            continue;
        }
        let is_allowed = |reason: &&str| may_be_unknown && *reason == INDETERMINATE;
        for reason in reasons.iter().filter(|reason| !is_allowed(reason)) {
            faults.push(Fault::Parked { key, reason: (*reason).to_owned() });
        }
        match (has_effect, reasons.is_empty()) {
            (false, true) => faults.push(Fault::Lost { key }),
            (false, false) => indeterminate += 1,
            (true, _) => {}
        }
    }
    for key in parked.into_keys() {
        faults.push(Fault::Unknown { key });
    }
    (indeterminate, poison)
}

/// Handlers that had begun in processes that were killed, and of which no broker was told anything.
fn interrupted(evidence: &Evidence<'_>) -> usize {
    let killed = |process: Process| {
        let mut incidents = evidence.history.incidents.iter();
        incidents.any(|it| it.process == process && matches!(it.what, IncidentKind::Killed(_)))
    };
    let told: BTreeSet<_> =
        evidence.settled.iter().map(|(process, settled)| (*process, settled.key)).collect();
    let began: BTreeSet<_> =
        evidence.began.iter().map(|(process, key, _)| (*process, *key)).collect();
    began
        .iter()
        .filter(|(process, key)| killed(*process) && !told.contains(&(*process, *key)))
        .count()
}

fn incidents(history: &History, is: impl Fn(IncidentKind) -> bool) -> usize {
    history.incidents.iter().filter(|incident| is(incident.what)).count()
}

impl Verdict {
    /// Adds another run of the same row.
    pub fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.published += other.published;
        self.kills += other.kills;
        self.pauses += other.pauses;
        self.restarts += other.restarts;
        self.effects += other.effects;
        self.interrupted += other.interrupted;
        self.indeterminate += other.indeterminate;
        self.poison += other.poison;
        self.took = self.took.max(other.took);
        for (cause, count) in other.duplicates {
            *self.duplicates.entry(cause).or_default() += count;
        }
        for (outcome, count) in other.outcomes {
            *self.outcomes.entry(outcome).or_default() += count;
        }
        self.faults.extend(other.faults);
    }
}

impl fmt::Display for Verdict {
    /// A row of the table in the documentation, without its first columns.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, published, kills, pauses, restarts, effects, interrupted, .. } = self;
        let outcome = |name: &str| self.outcomes.get(name).copied().unwrap_or_default();
        let of = |cause: Cause| self.duplicates.get(&cause).copied().unwrap_or_default();
        let [killed, paused] = [Cause::OwnerKilled, Cause::OwnerPaused].map(of);
        let unexplained = of(Cause::Unexplained);
        let (replayed, busy) = (outcome("replayed"), outcome("busy"));
        let (indeterminate, poison, took) =
            (self.indeterminate, self.poison, self.took.as_millis());
        let broken = self.faults.len();
        write!(
            f,
            "{messages} | {published} | {kills} | {pauses} | {restarts} | {interrupted} | {effects} | \
             {killed} / {paused} / {unexplained} | {replayed} | {busy} | {indeterminate} | {poison} | {took} ms | {broken} |"
        )
    }
}
