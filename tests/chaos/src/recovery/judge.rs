//! The judge: waits until every call has ended, says of steps in doubt what their effects say, and asks for the results.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::StepStatus;
use idempotent_core::store::State;
use idempotent_core::{Error, ErrorKind};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::ledger::{self, Entry, Event};
use super::order::{OPERATION, Order, Shop, result_of_step};

const LOOK: Duration = Duration::from_millis(100);

/// What the judge has found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Findings {
    /// What each call returned in the end.
    pub(super) results: BTreeMap<u32, u64>,
    /// Calls that had not ended in time, and what was the matter with them.
    pub(super) unfinished: BTreeMap<u32, String>,
    /// Calls without a record, though a body of theirs had started.
    pub(super) forgotten: Vec<u32>,
    /// Calls that had never begun, and began now.
    pub(super) begun_late: Vec<u32>,
    /// Calls that waited for somebody to say what a step did, and no step was in doubt.
    pub(super) waited_in_vain: BTreeSet<u32>,
    /// Steps in doubt that were resolved.
    pub(super) resolved: u32,
    /// How long it took until all had ended.
    pub(super) took: Duration,
}

/// Where they are written.
pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("findings")
}

pub(super) async fn judge(shop: &Shop, folder: &Path, orders: u32, within: Duration) -> Result<()> {
    let mut findings = Findings::default();
    let mut left: Vec<u32> = (0..orders).collect();
    let began = Instant::now();
    while !left.is_empty() && began.elapsed() < within {
        // Before the records are looked at: whatever has started by now has one.
        let started = started(&ledger::read(folder)?);
        let mut next = Vec::new();
        for number in left {
            let id = shop.engine.record_id(OPERATION, None, &number)?;
            let seen = match shop.engine.inspect(&id).await {
                // A server that was just restarted: until the time is over.
                Err(error) if may_be_asked_again(&error) => {
                    next.push(number);
                    continue;
                }
                seen => seen?,
            };
            match seen {
                Some(seen) if seen.state() == State::Completed => {
                    if let Some(result) = ask(shop, number).await? {
                        findings.results.insert(number, result);
                        continue;
                    }
                }
                Some(seen) if seen.state() == State::Indeterminate => {
                    if has_doubts(&seen) {
                        findings.resolved += resolve(shop, folder, number, &seen).await?;
                    } else {
                        // So that the run ends. It may have moved on.
                        findings.waited_in_vain.insert(number);
                        let _ = shop.engine.resume(&seen).await;
                    }
                }
                Some(_) => {}
                None if started.contains(&number) => {
                    findings.forgotten.push(number);
                    findings.unfinished.insert(number, "it has no record".to_owned());
                    continue;
                }
                None => {
                    // Its client has died before it began, and so its order is none.
                    if let Some(result) = ask(shop, number).await? {
                        findings.begun_late.push(number);
                        findings.results.insert(number, result);
                        continue;
                    }
                }
            }
            next.push(number);
        }
        left = next;
        findings.took = began.elapsed();
        sleep(LOOK).await;
    }
    for number in left {
        let id = shop.engine.record_id(OPERATION, None, &number)?;
        let seen = shop.engine.inspect(&id).await;
        let has_ended = |seen: &Inspection| seen.state() == State::Completed;
        if seen.as_ref().is_ok_and(|seen| seen.as_ref().is_some_and(has_ended)) {
            // Since its last look.
            if let Some(result) = ask(shop, number).await? {
                findings.results.insert(number, result);
                continue;
            }
        }
        let why = seen.as_ref().ok().and_then(Option::as_ref).map(|seen| {
            let (state, steps) = (seen.state(), seen.steps().len());
            let last = seen.last_error().unwrap_or("no error");
            format!("{state:?} after {} attempts and {steps} steps: {last}", seen.attempts())
        });
        findings
            .unfinished
            .insert(number, why.unwrap_or_else(|| format!("it cannot be inspected: {seen:?}")));
    }
    fs::write(path(folder), serde_json::to_vec(&findings)?)?;
    Ok(())
}

/// The calls of which a body has started in any process.
fn started(entries: &[Entry]) -> BTreeSet<u32> {
    let started = entries.iter().filter(|entry| entry.event == Event::Started);
    started.map(|entry| entry.order).collect()
}

/// The result of a call; `None` if it can be asked for later only.
async fn ask(shop: &Shop, number: u32) -> Result<Option<u64>> {
    match shop.order(Order { number }).await {
        Ok(result) => Ok(Some(result)),
        Err(error) if may_be_asked_again(&error) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn may_be_asked_again(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Store | ErrorKind::InProgress)
}

/// Whether any step of a call is in doubt.
fn has_doubts(seen: &Inspection) -> bool {
    seen.steps().iter().any(|(_, entry)| entry.status() == StepStatus::Begun)
}

/// Says of each step in doubt what the provider knows of it.
async fn resolve(shop: &Shop, folder: &Path, number: u32, seen: &Inspection) -> Result<u32> {
    let entries = ledger::read(folder)?;
    let mut resolved = 0;
    for (step, entry) in seen.steps() {
        if entry.status() != StepStatus::Begun {
            continue;
        }
        let at: Option<u32> = entry.key().and_then(|key| key.parse().ok());
        let Some(at) = at else { anyhow::bail!("a step without its key: {entry:?}") };
        let has_happened =
            entries.iter().any(|entry| entry.order == number && entry.is_effect_of(at));
        let resolution = match has_happened {
            true => Resolution::completed(result_of_step(number, at)),
            false => Resolution::never_happened_and_owner_is_dead(),
        };
        // First, since a recovery takes the call at once. Somebody may have been first there, too.
        shop.ledger.note(number, Event::Resolved);
        if shop.engine.resolve_step(seen, step, resolution).await.is_ok() {
            resolved += 1;
        }
    }
    Ok(resolved)
}
