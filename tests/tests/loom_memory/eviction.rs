//! Evictions that race calls, readers and operators.

use loom::sync::Arc;
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;

use super::completed::Completed;
use super::crate_items::State;
use super::evict::AfterEviction;
use super::records::Records;
use super::stored_result::StoredResult;
use super::{call, complete, id, reserved, second, store};

/// Completes a call, and returns its result as an eviction has taken it from the ledger.
fn taken(records: &Records<Completed>) -> Arc<StoredResult> {
    let reservation = reserved(records);
    complete(records, &reservation, second(0));
    records.completed.find(id().hash()).expect("it has completed")
}

/// Fails when the result is removed before its tombstone is there.
#[test]
fn an_evicted_result_leaves_no_moment_without_itself_or_its_mark() {
    loom::model(|| {
        let (records, effects) = (store(), Arc::new(AtomicUsize::new(0)));
        let result = taken(&records);
        let evicting = {
            let records = records.clone();
            thread::spawn(move || records.evict(&result, None, AfterEviction::Refuse, second(0)))
        };
        let reader = {
            let records = records.clone();
            thread::spawn(move || records.load(&id(), second(0)).map(|entry| entry.state))
        };
        call(&records, &effects);
        assert_eq!(reader.join().unwrap(), Some(State::Completed));
        evicting.join().unwrap();
        assert_eq!(effects.load(SeqCst), 0);
        let found = records.load(&id(), second(0)).unwrap();
        assert!(!found.record.has_result());
    });
}

/// Fails when `evict` does not ask whether the result is still there.
#[test]
fn an_eviction_that_comes_late_leaves_the_next_result_alone() {
    loom::model(|| {
        let (records, effects) = (store(), Arc::new(AtomicUsize::new(0)));
        let result = taken(&records);
        let evicting = {
            let records = records.clone();
            thread::spawn(move || records.evict(&result, None, AfterEviction::Refuse, second(0)))
        };
        records.purge(&id(), second(0));
        call(&records, &effects);
        evicting.join().unwrap();
        // Either the mark was there first, and was purged, or it came when the result was purged.
        assert_eq!(effects.load(SeqCst), 1);
        let found = records.load(&id(), second(0)).unwrap();
        assert!(found.record.has_result());
    });
}
