//! After the faults: whether every key is usable, and freeing those that wait to be resolved.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use idempotent_core::engine::Resolution;
use idempotent_core::model::RecordId;
use idempotent_core::store::State;
use idempotent_core::{Error, ErrorKind};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::Assignment;
use super::operation::{Body, Draw, Shop};
use crate::ledger::{self, EffectId, Event, Phase, Process, Said};

/// For how long, beyond a lease, a store may be too busy to answer in time. Nothing waits it out but a failure.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two questions for one key.
const PAUSE: Duration = Duration::from_millis(100);

/// What one worker finds.
#[derive(Debug)]
pub(super) struct Probe {
    shop: Arc<Shop>,
    tasks: usize,
    patience: Duration,
    folder: PathBuf,
    keys: Vec<u32>,
    indeterminate: Vec<u32>,
}

impl Probe {
    pub(super) fn new(shop: Arc<Shop>, assignment: &Assignment) -> Self {
        let mut keys: Vec<u32> = (0..assignment.keys).collect();
        fastrand::Rng::with_seed(assignment.seed).shuffle(&mut keys);
        let (tasks, folder) = (assignment.tasks, assignment.folder.clone());
        let patience = assignment.lease + PATIENCE;
        Self { shop, tasks, patience, folder, keys, indeterminate: Vec::new() }
    }

    /// Asks for every key.
    pub(super) async fn every_key(&mut self, during: Phase) -> Result<()> {
        self.indeterminate = self.ask(self.keys.clone(), during).await?;
        Ok(())
    }

    /// Asks again for those that were indeterminate.
    pub(super) async fn indeterminate_keys(&mut self) -> Result<()> {
        self.ask(self.indeterminate.clone(), Phase::Resolved).await?;
        Ok(())
    }

    /// Asks for these keys, and gives those that are indeterminate.
    async fn ask(&self, keys: Vec<u32>, during: Phase) -> Result<Vec<u32>> {
        let left = Arc::new(Mutex::new(keys));
        let mut asking = JoinSet::new();
        for _ in 0..self.tasks {
            let (shop, left) = (Arc::clone(&self.shop), Arc::clone(&left));
            let patience = self.patience;
            asking.spawn(async move {
                let mut indeterminate = Vec::new();
                let next = || left.lock().unwrap_or_else(PoisonError::into_inner).pop();
                while let Some(key) = next() {
                    let said = last_word(&shop, key, during, patience).await;
                    let code = ErrorKind::Indeterminate.code();
                    if matches!(said, Some(Said::Refused(said)) if said == code) {
                        indeterminate.push(key);
                    }
                }
                indeterminate
            });
        }
        let mut indeterminate = Vec::new();
        while let Some(found) = asking.join_next().await {
            indeterminate.extend(found?);
        }
        Ok(indeterminate)
    }

    /// Does the work of a reconciliation job: what is indeterminate here is known elsewhere. Every
    /// owner has ended by now, so what the ledgers say of an effect is the last word.
    pub(super) async fn resolve(&self, processes: Process) -> Result<()> {
        let effects = self.effects(processes)?;
        for key in &self.indeterminate {
            let id = self.shop.engine.record_id("chaos", None, key)?;
            let deadline = Instant::now() + self.patience;
            while let Err(error) = self.resolve_one(&id, effects.get(key)).await {
                if error.kind() != ErrorKind::Store || Instant::now() > deadline {
                    return Err(error.into());
                }
                sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    /// Looks anew each time: a resolution whose answer was late has happened.
    async fn resolve_one(&self, id: &RecordId, effect: Option<&EffectId>) -> Result<(), Error> {
        let engine = &self.shop.engine;
        let seen = engine.inspect(id).await?;
        let Some(seen) = seen.filter(|seen| seen.state() == State::Indeterminate) else {
            return Ok(());
        };
        let resolution = match effect {
            Some(effect) => Resolution::completed(*effect),
            None => Resolution::never_happened_and_owner_is_dead(),
        };
        engine.resolve(&seen, resolution).await
    }

    /// The first effect of each key.
    fn effects(&self, processes: Process) -> Result<HashMap<u32, EffectId>> {
        let mut effects = HashMap::new();
        for process in 0..processes {
            for event in ledger::read(&self.folder, process)? {
                if let Event::Effect(effect) = event {
                    effects.entry(effect.key).or_insert(effect.id);
                }
            }
        }
        Ok(effects)
    }
}

/// What a key's call says, asked again while a busy store does not answer in time, and until the lease of a reservation whose
/// answer came too late for its caller has lapsed.
async fn last_word(shop: &Shop, key: u32, during: Phase, patience: Duration) -> Option<Said> {
    let deadline = Instant::now() + patience;
    let mut was_late = false;
    loop {
        // Nobody else asks now, so who has to wait has found a key that is stuck.
        let draw = Draw { key, wait: None, patience: None, body: Body::default() };
        let said = shop.order(draw, during).await;
        let is =
            |kind: ErrorKind| matches!(&said, Some(Said::Refused(code)) if *code == kind.code());
        was_late |= is(ErrorKind::Store);
        let may_pass = is(ErrorKind::Store) || (was_late && is(ErrorKind::InProgress));
        if !may_pass || Instant::now() > deadline {
            return said;
        }
        sleep(PAUSE).await;
    }
}
