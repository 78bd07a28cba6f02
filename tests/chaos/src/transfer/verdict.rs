//! What became of the transfers: the answers of the workers, compared with the bank's tables.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use idempotent_servers::Postgres;

use super::answer_log::LoggedAnswers;
use super::bank::{ACCOUNTS, BALANCE, Order};
use super::step_kills::Stopped;
use super::{Level, Settings};

/// What became of a run.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Outcome {
    /// At which level.
    pub level: Option<Level>,
    /// How many transfers there are in the journal.
    pub effects: u64,
    /// How many answers the workers were given.
    pub answers: u64,
    /// Calls without an answer, by what happened to them.
    pub not_answered: BTreeMap<String, u64>,
    /// How often a worker was killed.
    pub worker_kills: u32,
    /// How often the server was killed.
    pub server_kills: u32,
    /// How often a worker was killed at a step of one of its calls.
    pub step_kills: Stopped,
    /// How many points there are in a call at which it could be killed.
    pub points: usize,
    /// How long it took.
    pub took: Duration,
    /// Every promise that was broken.
    pub broken: Vec<String>,
}

impl Outcome {
    /// Whether every promise was kept.
    #[must_use]
    pub fn is_kept(&self) -> bool {
        self.broken.is_empty()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level.map_or_else(String::new, |level| format!("{level:?}: "));
        write!(
            f,
            "{level}{} transfers, {} answers, {} kills of workers and {} of the server, {} of workers at {} of \
             a call's {} points, {:.1} s",
            self.effects,
            self.answers,
            self.worker_kills,
            self.server_kills,
            self.step_kills.values().sum::<u32>(),
            self.step_kills.len(),
            self.points,
            self.took.as_secs_f64()
        )?;
        let mut stopped: BTreeMap<&str, u32> = BTreeMap::new();
        for ((name, ..), kills) in &self.step_kills {
            *stopped.entry(name).or_default() += kills;
        }
        for (name, kills) in stopped {
            write!(f, "\n  killed at {name}: {kills}")?;
        }
        for (why, count) in &self.not_answered {
            write!(f, "\n  {why}: {count}")?;
        }
        self.broken.iter().take(20).try_for_each(|what| write!(f, "\n  BROKEN  {what}"))
    }
}

pub(super) async fn verdict(
    server: &Postgres,
    settings: &Settings,
    answer_logs: &[PathBuf],
) -> Result<Outcome> {
    let mut outcome = Outcome::default();
    let journal = journal(server).await?;
    outcome.effects = journal.values().map(|made| made.len() as u64).sum();
    for number in 0..settings.transfers {
        let made = journal.get(&number).map_or(0, Vec::len);
        if made != 1 {
            outcome.broken.push(format!("transfer {number} was made {made} times"));
        }
    }
    for answer_log in answer_logs {
        let entries = LoggedAnswers::read(answer_log)?;
        for number in 0..settings.transfers {
            let answers = entries.answers.get(&number).map_or(&[][..], Vec::as_slice);
            outcome.answers += answers.len() as u64;
            let journal = journal.get(&number).map_or(&[][..], Vec::as_slice);
            if answers.is_empty() || answers.iter().any(|answer| !journal.contains(answer)) {
                let what = format!("transfer {number}: answers {answers:?}, made as {journal:?}");
                outcome.broken.push(what);
            }
        }
        outcome.broken.extend(entries.broken);
        for (why, count) in entries.not_answered {
            *outcome.not_answered.entry(why).or_default() += count;
        }
    }
    outcome.broken.extend(accounts(server, settings).await?);
    outcome.broken.extend(unfinished(server).await?);
    Ok(outcome)
}

/// The entries of each transfer.
async fn journal(server: &Postgres) -> Result<HashMap<u32, Vec<i64>>> {
    let mut journal: HashMap<u32, Vec<i64>> = HashMap::new();
    for row in server.sql("SELECT number, id FROM transfers").await {
        let [number, id] = &numbers(&row)?[..] else { continue };
        journal.entry(u32::try_from(*number)?).or_default().push(*id);
    }
    Ok(journal)
}

/// Accounts that do not hold what each transfer, made once, leaves them.
async fn accounts(server: &Postgres, settings: &Settings) -> Result<Vec<String>> {
    let mut expected: HashMap<i64, i64> =
        (0..ACCOUNTS).map(|id| (i64::from(id), BALANCE)).collect();
    for number in 0..settings.transfers {
        let order = Order::numbered(number, settings.seed);
        for (account, change) in [(order.source, -order.amount), (order.target, order.amount)] {
            *expected.entry(account.into()).or_default() += change;
        }
    }
    let mut broken = Vec::new();
    let mut sum = 0;
    for row in server.sql("SELECT id, balance FROM accounts").await {
        let [id, balance] = numbers(&row)?[..] else { continue };
        sum += balance;
        if expected.remove(&id) != Some(balance) {
            broken.push(format!("account {id} holds {balance}"));
        }
    }
    let all = i64::from(ACCOUNTS) * BALANCE;
    if sum != all || !expected.is_empty() {
        broken.push(format!("the accounts hold {sum} and not {all}"));
    }
    Ok(broken)
}

/// Reservations that were committed.
pub(super) async fn unfinished(server: &Postgres) -> Result<Option<String>> {
    let unfinished = "SELECT count(*) FROM idempotent.records WHERE expires_at IS NULL";
    let rows = server.sql(unfinished).await;
    let count = numbers(rows.first().context("a row")?)?;
    Ok((count != [0]).then(|| format!("{count:?} reservations were committed")))
}

pub(super) fn numbers(row: &[Option<String>]) -> Result<Vec<i64>> {
    let numbers = row.iter().map(|value| Ok(value.as_deref().context("a number")?.parse()?));
    numbers.collect()
}
