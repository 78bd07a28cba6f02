//! Many threads at once. Covers what loom cannot: moka itself, and large numbers of threads.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::Guarantee::{AtLeastOnce, AtMostOnce};
use super::*;

const CALLERS: usize = 200;
const LONG: Duration = Duration::from_secs(60);

/// Acts like the engine: reserves and runs, or waits and tries again.
async fn call(
    store: &MemoryStore,
    id: &RecordId,
    guarantee: Guarantee,
    effects: &AtomicUsize,
) -> Vec<u8> {
    loop {
        let request = reserve(id, guarantee);
        match store.reserve(&request).await.unwrap() {
            ReserveOutcome::Won => {
                let n = effects.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                let record = request.record().completed(&n.to_le_bytes());
                let complete = Complete::new(id, request.record(), &record, TTL);
                assert!(is_recorded(&store.complete(&complete).await.unwrap()));
            }
            ReserveOutcome::Taken(entry) if entry.state == State::Completed => {
                return kept(&entry).to_vec();
            }
            ReserveOutcome::Taken(entry) => {
                let wait = Wait::new(id, entry.record.token(), LONG);
                store.wait(&wait).await.unwrap();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_200_callers_of_one_key_one_runs_and_all_get_its_result() {
    for round in 0..50 {
        let guarantee = [AtLeastOnce, AtMostOnce][round % 2];
        let store = MemoryStore::new();
        let effects = Arc::new(AtomicUsize::new(0));
        let callers: Vec<_> = (0..CALLERS)
            .map(|_| {
                let (store, effects) = (store.clone(), effects.clone());
                tokio::spawn(async move { call(&store, &id(1), guarantee, &effects).await })
            })
            .collect();
        for caller in callers {
            let result = tokio::time::timeout(LONG, caller).await.unwrap().unwrap();
            assert_eq!(result, 0_usize.to_le_bytes());
        }
        assert_eq!(effects.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn callers_of_many_keys_run_each_once() {
    const KEYS: u64 = 500;
    let store = MemoryStore::new();
    let effects: Arc<Vec<_>> = Arc::new((0..KEYS).map(|_| AtomicUsize::new(0)).collect());
    let callers: Vec<_> = (0..16_u64)
        .map(|caller| {
            let (store, effects) = (store.clone(), effects.clone());
            tokio::spawn(async move {
                for n in 0..KEYS {
                    // Half of the callers come from the other end.
                    let n = if caller % 2 == 0 { n } else { KEYS - 1 - n };
                    call(&store, &id(n), AtLeastOnce, &effects[n as usize]).await;
                }
            })
        })
        .collect();
    for caller in callers {
        tokio::time::timeout(LONG, caller).await.unwrap().unwrap();
    }
    let run = effects.iter().map(|runs| runs.load(Ordering::SeqCst));
    assert!(run.eq(std::iter::repeat_n(1, KEYS as usize)));
    assert_eq!(store.records().unfinished.count(), 0);
}
