//! What the checker found.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::{Cause, Duplicate, Effects, History};
use crate::ledger::{Disturbance, EffectId, Phase, Process, Said};

/// What became of a run.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Broken promises; none, if all is well.
    #[serde(serialize_with = "as_lines")]
    pub faults: Vec<Fault>,
    /// Effects, of all keys.
    pub effects: usize,
    /// Keys that took effect.
    pub keys: usize,
    /// Second effects of a key, by cause.
    pub duplicates: BTreeMap<Cause, usize>,
    /// Answers of the load: bodies that ran.
    pub executed: usize,
    /// Answers of the load: memoized results.
    pub replayed: usize,
    /// Answers of the load: bodies that declined before any effect.
    pub declined: usize,
    /// Answers of the load: refusals, by code.
    pub refused: BTreeMap<String, usize>,
    /// Keys that were indeterminate when the leases were over.
    pub indeterminate: usize,
    /// The longest that a worker took to use a server again after its fault.
    pub recovery: Option<Duration>,
    /// What applications did to their own pools.
    pub disturbance: Disturbance,
}

/// A broken promise.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// A second effect that the row does not allow.
    Duplicate(Duplicate),
    /// An answer without its effect.
    NoEffect {
        /// The key.
        key: u32,
        /// The effect that the answer names.
        effect: EffectId,
    },
    /// An answer that claims to have executed what another call did.
    NotItsOwn {
        /// The key.
        key: u32,
        /// The effect that the answer names.
        effect: EffectId,
        /// Whose caller got it.
        process: Process,
    },
    /// Answers of one key that differ.
    Disagreement {
        /// The key.
        key: u32,
        /// The effects that callers were told of.
        told: Vec<EffectId>,
    },
    /// A key that is not usable when it should be.
    Stuck {
        /// The key.
        key: u32,
        /// Who asked.
        process: Process,
        /// What it was told.
        said: String,
    },
    /// A worker that did not end what it had begun.
    Hung {
        /// Which.
        process: Process,
    },
    /// Tasks that were left behind.
    Tasks {
        /// Where.
        process: Process,
        /// Before the load.
        before: usize,
        /// After it.
        after: usize,
    },
    /// Memory that was left behind.
    Memory {
        /// Where.
        process: Process,
        /// Before the load, in bytes.
        before: u64,
        /// After it, in bytes.
        after: u64,
    },
    /// A worker that could not use a server soon after its fault.
    Slow {
        /// Which.
        process: Process,
        /// How long it took.
        took: Duration,
    },
    /// No application disturbed its pool, though some should have.
    Undisturbed,
    /// No worker lived to be asked, so nothing is known.
    NobodyLeft,
    /// Hardly any operation of the load had a result.
    Idle {
        /// How many had.
        results: usize,
    },
}

impl Verdict {
    pub(super) fn new(
        history: &History,
        effects: &Effects,
        duplicates: Vec<Duplicate>,
        faults: Vec<Fault>,
    ) -> Self {
        let mut verdict = Self {
            faults,
            effects: history.effects.len(),
            keys: effects.len(),
            duplicates: BTreeMap::new(),
            executed: 0,
            replayed: 0,
            declined: 0,
            refused: BTreeMap::new(),
            indeterminate: indeterminate(history),
            recovery: None,
            disturbance: history.disturbance,
        };
        for duplicate in duplicates {
            *verdict.duplicates.entry(duplicate.cause).or_default() += 1;
        }
        for (_, answer) in history.answers.iter().filter(|(_, it)| it.during == Phase::Load) {
            match &answer.said {
                Said::Executed(_) => verdict.executed += 1,
                Said::Replayed(_) => verdict.replayed += 1,
                Said::Declined => verdict.declined += 1,
                Said::Refused(code) => *verdict.refused.entry(code.clone()).or_default() += 1,
            }
        }
        verdict
    }

    /// Whether every promise was kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.faults.is_empty()
    }

    /// Second effects of a key, of all causes.
    #[must_use]
    pub fn duplicates(&self) -> usize {
        self.duplicates.values().sum()
    }

    /// Answers of the load.
    #[must_use]
    pub fn answers(&self) -> usize {
        self.executed + self.replayed + self.declined + self.refused.values().sum::<usize>()
    }
}

fn indeterminate(history: &History) -> usize {
    let code = idempotent_core::ErrorKind::Indeterminate.code();
    let mut keys: Vec<u32> = history
        .answers
        .iter()
        .filter(|(_, answer)| answer.during == Phase::Probe)
        .filter(|(_, answer)| matches!(&answer.said, Said::Refused(said) if said == code))
        .map(|(_, answer)| answer.key)
        .collect();
    keys.sort_unstable();
    keys.dedup();
    keys.len()
}

fn as_lines<S: serde::Serializer>(faults: &[Fault], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(faults.iter().map(ToString::to_string))
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIB: u64 = 1024 * 1024;
        match self {
            Self::Duplicate(Duplicate { key, first, second, cause }) => {
                let (first, second) = (effect(*first), effect(*second));
                write!(f, "key {key}: took effect twice, {first} and {second}: {}", cause.as_str())
            }
            Self::NoEffect { key, effect: id } => {
                write!(f, "key {key}: answered with {}, which never happened", effect(*id))
            }
            Self::NotItsOwn { key, effect: id, process } => {
                write!(f, "key {key}: worker {process} claims to have executed {}", effect(*id))
            }
            Self::Disagreement { key, told } => {
                let told: Vec<_> = told.iter().map(|id| effect(*id)).collect();
                write!(f, "key {key}: callers were told of {}", told.join(" and of "))
            }
            Self::Stuck { key, process, said } => {
                write!(f, "key {key}: not usable for worker {process}: {said}")
            }
            Self::Hung { process } => write!(f, "worker {process} did not end what it had begun"),
            Self::Tasks { process, before, after } => {
                write!(f, "worker {process} had {before} tasks before the load, {after} after it")
            }
            Self::Memory { process, before, after } => {
                let (before, after) = (before / MIB, after / MIB);
                write!(f, "worker {process} had {before} MiB before the load, {after} after it")
            }
            Self::Slow { process, took } => {
                let took = took.as_millis();
                write!(f, "worker {process} could use a server only {took} ms after its fault")
            }
            Self::Undisturbed => f.write_str("no application disturbed its pool"),
            Self::NobodyLeft => f.write_str("no worker lived to the end"),
            Self::Idle { results } => write!(f, "only {results} operations had a result"),
        }
    }
}

fn effect(id: EffectId) -> String {
    format!("effect {} of worker {}", id.0 & 0xffff_ffff, id.process())
}
