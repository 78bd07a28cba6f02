//! What became of the calls that were broken: what their callers were told, then and when they made
//! them again, held against the bank's tables.

use std::collections::HashMap;

use anyhow::{Context as _, Result};
use idempotent_servers::Postgres;

use super::call_steps::{Call, RepeatOutcome};
use super::kills::Case;
use super::single_call::CallAnswer;
use crate::transfer::bank::BALANCE;
use crate::transfer::verdict::{numbers, unfinished};

/// What one call came to.
#[derive(Debug)]
pub(super) struct CallOutcome {
    /// Of a replay, what the call was answered before.
    pub(super) earlier: Option<i64>,
    /// What the caller was told that was broken, if anything.
    pub(super) first: Option<CallAnswer>,
    /// What it was told when the call was made again, twice.
    pub(super) again: [CallAnswer; 2],
}

/// What the bank's tables say.
pub(super) struct Tables {
    /// Each transfer's numbers in the journal, and who made it.
    journal: HashMap<i64, Vec<(i64, String)>>,
    balances: HashMap<i64, i64>,
    unfinished: Option<String>,
}

impl Tables {
    pub(super) async fn read(server: &Postgres) -> Result<Self> {
        let mut journal: HashMap<i64, Vec<(i64, String)>> = HashMap::new();
        for row in server.sql("SELECT number, id, made_by FROM transfers").await {
            let [number, id] = numbers(&row[..2])?[..] else { continue };
            let made_by = row[2].clone().context("a name")?;
            journal.entry(number).or_default().push((id, made_by));
        }
        let mut balances = HashMap::new();
        for row in server.sql("SELECT id, balance FROM accounts").await {
            let [id, balance] = numbers(&row)?[..] else { continue };
            balances.insert(id, balance);
        }
        Ok(Self { journal, balances, unfinished: unfinished(server).await? })
    }

    /// What holds for all calls together, and does not.
    pub(super) fn broken(&self) -> Vec<String> {
        let all = BALANCE * i64::try_from(self.balances.len()).unwrap_or(i64::MAX);
        let sum: i64 = self.balances.values().sum();
        let sum = (sum != all).then(|| format!("the accounts hold {sum} and not {all}"));
        sum.into_iter().chain(self.unfinished.clone()).collect()
    }

    /// What the call came to when it was made again. `Err` is a promise that was broken.
    pub(super) fn outcome(
        &self,
        case: &Case,
        ended: &CallOutcome,
    ) -> Result<RepeatOutcome, String> {
        let made = self.journal.get(&case.order.number.into()).map_or(&[][..], Vec::as_slice);
        let [(id, made_by)] = made else { return Err(format!("it was made {} times", made.len())) };
        let answer = CallAnswer::Answer(*id);
        if ended.again.iter().any(|again| *again != answer) {
            return Err(format!("it was made as {id}, and answered {:?}", ended.again));
        }
        match &ended.first {
            Some(CallAnswer::Answer(_)) if ended.first.as_ref() != Some(&answer) => {
                return Err(format!("it was made as {id}, and answered {:?}", ended.first));
            }
            Some(CallAnswer::Declined) if case.call != Call::Declined => {
                return Err("it was declined".to_owned());
            }
            _ => {}
        }
        if ended.earlier.is_some_and(|earlier| earlier != *id) {
            return Err(format!("it was answered {:?} before, and made as {id}", ended.earlier));
        }
        let balance = |account: i32| self.balances.get(&account.into()).copied();
        let held = (balance(case.order.source), balance(case.order.target));
        if held != (Some(BALANCE - case.order.amount), Some(BALANCE + case.order.amount)) {
            return Err(format!("its accounts hold {held:?}"));
        }
        let replays = made_by == "first" || ended.earlier.is_some();
        Ok(if replays { RepeatOutcome::Replays } else { RepeatOutcome::RunsAgain })
    }
}
