//! The judge: waits until every call has ended, says of steps in doubt what their effects say, and asks for the results.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::model::StepStatus;
use idempotent_core::store::State;
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

use super::effects;
use super::order::{OPERATION, Order, result_of_step};
use super::worker::Shop;

const LOOK: Duration = Duration::from_millis(100);

/// What the judge has found.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Findings {
    /// What each call returned in the end.
    pub(super) results: BTreeMap<u32, u64>,
    /// Calls that had not ended in time, and what was the matter with them.
    pub(super) unfinished: BTreeMap<u32, String>,
    /// Calls without a record, though they had effects.
    pub(super) forgotten: Vec<u32>,
    /// Calls that had never begun, and began now.
    pub(super) begun_late: Vec<u32>,
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
        let mut next = Vec::new();
        for number in left {
            let id = shop.engine.record_id(OPERATION, None, &number)?;
            match shop.engine.inspect(&id).await? {
                Some(seen) if seen.state() == State::Completed => {
                    let result = shop.order(Order { number }).await?;
                    findings.results.insert(number, result);
                    continue;
                }
                Some(seen) if seen.state() == State::Indeterminate => {
                    findings.resolved += resolve(shop, folder, number, &seen).await?;
                }
                Some(_) => {}
                None if has_effects(folder, number)? => findings.forgotten.push(number),
                None => {
                    findings.begun_late.push(number);
                    // Its client has died before it began, and so its order is none.
                    findings.results.insert(number, shop.order(Order { number }).await?);
                    continue;
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
        let seen = shop.engine.inspect(&id).await?;
        let why = seen.as_ref().map(|seen| {
            let (state, steps) = (seen.state(), seen.steps().len());
            let last = seen.last_error().unwrap_or("no error");
            format!("{state:?} after {} attempts and {steps} steps: {last}", seen.attempts())
        });
        findings.unfinished.insert(number, why.unwrap_or_else(|| "it has no record".to_owned()));
    }
    fs::write(path(folder), serde_json::to_vec(&findings)?)?;
    Ok(())
}

fn has_effects(folder: &Path, number: u32) -> Result<bool> {
    Ok(effects::read(folder)?.iter().any(|effect| effect.order == number))
}

/// Says of each step in doubt what the provider knows of it.
async fn resolve(shop: &Shop, folder: &Path, number: u32, seen: &Inspection) -> Result<u32> {
    let effects = effects::read(folder)?;
    let mut resolved = 0;
    for (step, entry) in seen.steps() {
        if entry.status() != StepStatus::Begun {
            continue;
        }
        let at: Option<u32> = entry.key().and_then(|key| key.parse().ok());
        let Some(at) = at else { anyhow::bail!("a step without its key: {entry:?}") };
        let has_happened = effects.iter().any(|effect| (effect.order, effect.step) == (number, at));
        let resolution = match has_happened {
            true => Resolution::completed(result_of_step(number, at)),
            false => Resolution::never_happened_and_owner_is_dead(),
        };
        // Somebody may have been first.
        if shop.engine.resolve_step(seen, step, resolution).await.is_ok() {
            resolved += 1;
        }
    }
    Ok(resolved)
}
