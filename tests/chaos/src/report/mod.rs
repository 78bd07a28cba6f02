//! What a series of runs came to: a table, or JSON.

mod table;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub(crate) use self::table::{markdown, plain};
use crate::checker::Cause;
use crate::ledger::Disturbance;
use crate::row::Row;
use crate::runner::Outcome;

/// The runs of one row, together.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) row: String,
    pub(crate) promise: &'static str,
    pub(crate) seeds: usize,
    pub(crate) answers: usize,
    pub(crate) keys: usize,
    pub(crate) effects: usize,
    pub(crate) duplicates: usize,
    pub(crate) by_cause: BTreeMap<Cause, usize>,
    /// Runs with a duplicate.
    pub(crate) seeds_with_duplicates: usize,
    pub(crate) replayed: usize,
    pub(crate) refused: BTreeMap<String, usize>,
    pub(crate) indeterminate: usize,
    /// The longest that a worker took to use a server again, over all runs.
    pub(crate) recovery: Option<Duration>,
    pub(crate) disturbance: Disturbance,
    /// Broken promises, each with the seed that shows it.
    pub(crate) broken: Vec<Broken>,
    /// Seeds whose run could not be carried out.
    pub(crate) failed: Vec<u64>,
}

/// A run that broke a promise.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Broken {
    pub(crate) seed: u64,
    pub(crate) how: Vec<String>,
}

impl Summary {
    pub(crate) fn of(row: &Row) -> Self {
        Self {
            row: row.name.clone(),
            promise: row.promise.as_str(),
            seeds: 0,
            answers: 0,
            keys: 0,
            effects: 0,
            duplicates: 0,
            by_cause: BTreeMap::new(),
            seeds_with_duplicates: 0,
            replayed: 0,
            refused: BTreeMap::new(),
            indeterminate: 0,
            recovery: None,
            disturbance: Disturbance::default(),
            broken: Vec::new(),
            failed: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, outcome: &Outcome) {
        let verdict = &outcome.verdict;
        self.seeds += 1;
        self.answers += verdict.answers();
        self.keys += verdict.keys;
        self.effects += verdict.effects;
        self.duplicates += verdict.duplicates();
        self.seeds_with_duplicates += usize::from(verdict.duplicates() > 0);
        self.replayed += verdict.replayed;
        self.indeterminate += verdict.indeterminate;
        self.recovery = self.recovery.max(verdict.recovery);
        self.disturbance.add(verdict.disturbance);
        for (cause, count) in &verdict.duplicates {
            *self.by_cause.entry(*cause).or_default() += count;
        }
        for (code, count) in &verdict.refused {
            *self.refused.entry(code.clone()).or_default() += count;
        }
        if !verdict.is_kept() {
            let how = verdict.faults.iter().map(ToString::to_string).collect();
            self.broken.push(Broken { seed: outcome.seed, how });
        }
    }

    pub(crate) fn is_kept(&self) -> bool {
        self.broken.is_empty()
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.failed.is_empty()
    }

    fn refusals(&self) -> usize {
        self.refused.values().sum()
    }

    fn cause(&self, cause: Cause) -> usize {
        self.by_cause.get(&cause).copied().unwrap_or_default()
    }
}
