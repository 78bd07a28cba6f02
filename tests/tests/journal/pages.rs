//! Pages of calls in doubt: how much of their journals is in memory at once, and how much is looked through.

use std::collections::BTreeMap;

use idempotent_core::backends::MemoryStore;
use idempotent_core::engine::{DoubtfulStep, Finding, Inspection, Reconciler};
use idempotent_core::model::{StepEntry, StepId};
use idempotent_core::store::{Scan, Suspend, WriteStep, WriteStepOutcome};
use idempotent_core::{Idempotency, Store};
use idempotent_servers::{Redis, Server, require};
use idempotent_tests::{Attempt, HOUR};
use tempfile::TempDir;

use crate::patient;

/// What the steps of a page take at most, beside those of its last call.
const BUDGET: usize = 16 << 20;

/// Calls with so many steps, each with so long a name.
const CALLS: usize = 12;
const STEPS: u32 = 50;
const NAME_BYTES: u16 = 40_000;
const OF_A_CALL: usize = STEPS as usize * NAME_BYTES as usize;

const BEGUN: u8 = 0;
const RECORDED: u8 = 1;

/// An entry of the first layout.
fn entry(status: u8, name_bytes: u16) -> StepEntry {
    let mut bytes = vec![0; 69];
    bytes[..2].copy_from_slice(&[1, status]);
    bytes[65..67].copy_from_slice(&name_bytes.to_le_bytes());
    bytes.resize(69 + usize::from(name_bytes), b'x');
    StepEntry::from_bytes(&bytes).unwrap()
}

/// A suspended call, whose steps all have this entry.
async fn suspended(store: &impl Store, steps: u32, entry: &StepEntry) {
    let attempt = Attempt::new();
    let plain = attempt.win(store).await;
    let record = plain.with_journal(plain.token(), HOUR);
    let id = |nth: u32| {
        let mut bytes = [0; 32];
        bytes[..4].copy_from_slice(&nth.to_le_bytes());
        StepId::from_bytes(bytes)
    };
    let others: Vec<_> = (1..steps).map(|nth| (id(nth), entry.clone())).collect();
    let first = id(0);
    let request = WriteStep::new(&attempt.id, &record, &first, entry).also(&others);
    let journal = store.journal().unwrap();
    assert_eq!(journal.write_step(&request).await.unwrap(), WriteStepOutcome::Written);
    let suspended = record.abandoned();
    journal.suspend(&Suspend::new(&attempt.id, &plain, &suspended)).await.unwrap();
}

async fn with_large_journals(store: impl Store) -> Idempotency {
    for _ in 0..CALLS {
        suspended(&store, STEPS, &entry(BEGUN, NAME_BYTES)).await;
    }
    Idempotency::new(store)
}

fn bytes(page: &[Inspection]) -> usize {
    let steps = page.iter().flat_map(Inspection::steps);
    steps.map(|(_, step)| step.as_bytes().len()).sum()
}

/// How many calls each page has, and how often each call was found.
async fn scan(engine: &Idempotency, most: usize) -> (Vec<usize>, BTreeMap<[u8; 32], usize>) {
    let (mut scan, mut pages, mut found) = (Scan::in_doubt(), Vec::new(), BTreeMap::new());
    loop {
        let page = engine.scan(&scan).await.unwrap();
        assert!(bytes(&page.entries) <= most, "{} bytes", bytes(&page.entries));
        pages.push(page.entries.len());
        for seen in &page.entries {
            *found.entry(*seen.id().hash()).or_insert(0) += 1;
        }
        match page.next {
            Some(next) => scan = scan.after(next),
            None => return (pages, found),
        }
    }
}

/// What ends a page exactly where it is asked to.
async fn every_call_is_on_one_page_of_few(store: impl Store) {
    let engine = with_large_journals(store).await;
    let (pages, found) = scan(&engine, BUDGET + OF_A_CALL).await;
    // Nine times two million bytes are more than the budget, and eight are not.
    assert_eq!(pages, [9, 3]);
    assert_eq!((found.len(), found.values().max()), (CALLS, Some(&1)));
}

#[tokio::test]
async fn in_memory_a_page_ends_once_the_steps_of_its_calls_fill_it() {
    every_call_is_on_one_page_of_few(MemoryStore::new()).await;
}

#[tokio::test]
async fn on_sqlite_a_page_ends_once_the_steps_of_its_calls_fill_it() {
    let folder = TempDir::new().unwrap();
    let store = patient::sqlite(folder.path().join("calls.db")).await;
    every_call_is_on_one_page_of_few(store).await;
}

/// Its pages end where a step of its own scan does.
#[tokio::test]
async fn on_redis_a_page_ends_soon_after_the_steps_of_its_calls_fill_it() {
    require!(Server::Redis);
    let server = Redis::start().await;
    let engine = with_large_journals(patient::redis(server.url()).await).await;
    let (_, found) = scan(&engine, BUDGET + 10 * OF_A_CALL).await;
    assert_eq!(found.len(), CALLS);
}

#[tokio::test(start_paused = true)]
async fn a_reconciler_asks_about_no_more_calls_than_its_memory_has_room_for() {
    let engine = with_large_journals(MemoryStore::new()).await;
    let (operation, step) = (Attempt::new().id, "x".repeat(usize::from(NAME_BYTES)));
    let operation = operation.operation();
    let reconciler = Reconciler::new(&engine).settle(Attempt::LEASE).asks_per_pass(10_000);
    let reconciler = reconciler.step(operation, step, |_: DoubtfulStep| async { Finding::Unknown });
    tokio::time::advance(2 * Attempt::LEASE).await;
    let report = reconciler.pass().await.unwrap();
    let steps = u64::from(STEPS);
    assert_eq!(
        (report.found, report.asked, report.over_budget),
        (12 * steps, 9 * steps, 3 * steps)
    );
}

/// None of them is in doubt, so nothing but what was looked through ends a page.
#[tokio::test]
async fn in_memory_a_page_ends_after_many_steps_though_none_is_in_doubt() {
    let store = MemoryStore::new();
    let settled = entry(RECORDED, 0);
    for _ in 0..21 {
        suspended(&store, 10_000, &settled).await;
    }
    suspended(&store, 1, &entry(BEGUN, 0)).await;
    let engine = Idempotency::new(store);
    let page = engine.scan(&Scan::in_doubt()).await.unwrap();
    assert!(page.next.is_some());
    let (pages, found) = scan(&engine, BUDGET).await;
    assert_eq!((pages.len(), found.len()), (2, 1));
}
