//! A rolling deployment: two builds of the worker, one of which has another name for a step.
//!
//! Each build begins half of the calls and dies when the step that was renamed is recorded. Then the new build runs alone: it
//! finishes its own calls, and must refuse the others, since it would charge again. At last the old build returns, and finishes
//! those.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use idempotent_core::ErrorKind;
use tokio::process::Child;
use tokio::time::sleep;

use super::Settings;
use super::incidents::Incidents;
use super::launcher::{Launcher, PATIENCE};
use super::ledger::{self, Entry, Event};
use super::order::{Build, Code, RENAMED};
use super::verdict::{Evidence, Verdict, verdict};
use super::worker::Task;
use crate::checker::Span;
use crate::servers::Servers;
use crate::stalls::StallWatch;
use crate::timestamp::Timestamp;

/// How long a step with a new name waits for the one with the old.
const STEP_PATIENCE: Duration = Duration::from_millis(300);

/// The process that may only refuse the calls of the old build.
const REFUSES: u32 = 2;

/// Carries a deployment out on these servers, without the faults of the settings. Besides what each [run](super::run) promises,
/// its verdict has a fault for each call that was not refused as it should be.
///
/// # Errors
///
/// When it could not be carried out, which says nothing of the promises.
pub async fn deploy(settings: &Settings) -> Result<Verdict> {
    let folder = tempfile::Builder::new().prefix("chaos-deployment-").tempdir()?;
    let servers = Servers::start(settings.topology, folder.path()).await?;
    let launcher = Launcher::new(settings, &servers, folder.path()).step_patience(STEP_PATIENCE);
    let deployment = Deployment { settings, folder: folder.path(), launcher: launcher.clone() };
    deployment.carry_out().await.with_context(|| launcher.logs())
}

struct Deployment<'a> {
    settings: &'a Settings,
    folder: &'a std::path::Path,
    launcher: Launcher<'a>,
}

/// The build that begins a call.
const fn build_of(order: u32) -> Build {
    if order.is_multiple_of(2) { Build::Before } else { Build::After }
}

impl Deployment<'_> {
    async fn carry_out(&self) -> Result<Verdict> {
        let orders = self.settings.orders;
        let watch = StallWatch::start();
        let halting = |build| Code { build, halts_after: Some(RENAMED) };
        let mut first =
            vec![self.start(0, halting(Build::Before))?, self.start(1, halting(Build::After))?];
        let is_halted = |entry: &Entry| entry.event == Event::Recorded { step: RENAMED };
        self.every(|_| true, is_halted).await.context("every call stands still")?;
        let mut incidents = Incidents::default();
        for process in &mut first {
            incidents.kills.push(Timestamp::now());
            process.kill().await?;
        }
        let code = |build| Code { build, halts_after: None };
        let from = Timestamp::now();
        let mut after = self.start(REFUSES, code(Build::After))?;
        let is_answered = |entry: &Entry| matches!(entry.event, Event::Answered { .. });
        self.every(|order| build_of(order) == Build::Before, is_refusal)
            .await
            .context("refused")?;
        self.every(|order| build_of(order) == Build::After, is_answered).await?;
        let olds = (0..orders).filter(|order| build_of(*order) == Build::Before).collect();
        incidents.unknown.push((olds, Span { from, to: Timestamp::now() }));
        let mut before = self.start(REFUSES + 1, code(Build::Before))?;
        self.every(|_| true, is_answered).await.context("the old build finishes its calls")?;
        let task = Task::Judge { orders, within: PATIENCE };
        let findings = self.launcher.judge(REFUSES + 2, code(Build::After), task).await?;
        before.kill().await?;
        after.kill().await?;
        incidents.stalls = watch.end()?;
        let entries = ledger::read(self.folder)?;
        let (findings, incidents) = (&findings, &incidents);
        let evidence = Evidence { settings: self.settings, entries: &entries, findings, incidents };
        let mut verdict = verdict(&evidence);
        verdict.faults.extend(refusals(&entries, orders));
        Ok(verdict)
    }

    fn start(&self, process: u32, code: Code) -> Result<Child> {
        let now = Timestamp::now();
        let orders = self.settings.orders;
        let task = Task::Begin { slot: process % 2, of: 2, orders, from: now, until: now };
        self.launcher.start(process, code, task)
    }

    /// Waits until each of these calls has such an entry.
    async fn every(&self, of: fn(u32) -> bool, wanted: fn(&Entry) -> bool) -> Result<()> {
        let began = Instant::now();
        loop {
            let entries = ledger::read(self.folder)?;
            let has = |order| entries.iter().any(|entry| entry.order == order && wanted(entry));
            let Some(missing) = (0..self.settings.orders).find(|&order| of(order) && !has(order))
            else {
                return Ok(());
            };
            ensure!(began.elapsed() < PATIENCE, "not order {missing}: {entries:?}");
            sleep(Duration::from_millis(20)).await;
        }
    }
}

fn is_refusal(entry: &Entry) -> bool {
    let Event::Ended { code, .. } = &entry.event else { return false };
    entry.run.process == REFUSES && code == ErrorKind::Incompatible.code()
}

/// What is wrong with the refusals: each names both steps, and before it nothing ran.
fn refusals(entries: &[Entry], orders: u32) -> Vec<String> {
    let mut faults = Vec::new();
    for order in (0..orders).filter(|order| build_of(*order) == Build::Before) {
        let here = || entries.iter().filter(move |entry| entry.order == order);
        for entry in here().filter(|entry| is_refusal(entry)) {
            let Event::Ended { why, .. } = &entry.event else { continue };
            for build in [Build::Before, Build::After] {
                if !why.contains(build.renamed()) {
                    faults
                        .push(format!("order {order} was refused without {build:?}'s step: {why}"));
                }
            }
        }
        let mut there = here().filter(|entry| entry.run.process == REFUSES);
        if let Some(ran) = there.find(|entry| matches!(entry.event, Event::Entered { .. })) {
            faults.push(format!("order {order} ran a step of the other build: {ran:?}"));
        }
    }
    faults
}
