//! The operator's side.

use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::{Inspection, Resolution};
use idempotent_core::store::{Scan, State};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, Reservation};
use idempotent_tests::{Answer, Runs, call, engine, secs};
use tokio::time::advance;

const CHARGE: Operation = Operation::new("charge").lease(secs(30)).version(3).ttl(secs(7200));
const ONCE: Operation = CHARGE.guarantee(Guarantee::AtMostOnce);

async fn begin(engine: &Idempotency, operation: Operation) -> Reservation<usize, Error> {
    let call = operation.key("k").engine(engine).fingerprint("p").returning::<Answer>();
    match call.begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

async fn inspect(engine: &Idempotency) -> Option<Inspection> {
    let id = engine.record_id("charge", None, "k").unwrap();
    engine.inspect(&id).await.unwrap()
}

/// A call under at most once whose owner died, as an operator sees it.
async fn lost(engine: &Idempotency) -> Inspection {
    begin(engine, ONCE).await.hold_for_lease().await;
    advance(secs(31)).await;
    inspect(engine).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn an_inspection_tells_everything_about_a_record() {
    let engine = engine();
    assert!(inspect(&engine).await.is_none());
    let owner = begin(&engine, ONCE).await;
    let seen = inspect(&engine).await.unwrap();
    assert_eq!(seen.id(), owner.record_id().unwrap());
    assert_eq!(
        (seen.state(), seen.operation(), seen.key()),
        (State::Reserved, "charge", Some("k"))
    );
    assert_eq!(Some(seen.token()), owner.token());
    assert_eq!((seen.guarantee(), seen.version()), (Guarantee::AtMostOnce, 3));
    assert_eq!((seen.lease(), seen.remaining()), (secs(30), Some(secs(30))));
    assert!(seen.fingerprint().is_some() && !seen.is_tombstone());
    assert!(seen.created().elapsed().unwrap() < secs(60));
    owner.complete(&Ok(1)).await;
    let seen = inspect(&engine).await.unwrap();
    assert_eq!((seen.state(), seen.remaining()), (State::Completed, Some(secs(7200))));
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_is_seen_as_one() {
    let engine = Idempotency::builder(MemoryStore::new()).max_result_bytes(0).build();
    call(&engine, CHARGE, "k", &Runs::new()).await.unwrap();
    assert!(inspect(&engine).await.unwrap().is_tombstone());
}

#[tokio::test(start_paused = true)]
async fn a_purged_record_is_forgotten_and_its_key_runs_again() {
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, ONCE, "k", &runs).await.unwrap();
    let id = engine.record_id("charge", None, "k").unwrap();
    assert!(engine.purge(&id).await.unwrap());
    assert!(!engine.purge(&id).await.unwrap());
    assert_eq!(call(&engine, ONCE, "k", &runs).await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_purged_indeterminate_record_runs_again() {
    let (engine, runs) = (engine(), Runs::new());
    let seen = lost(&engine).await;
    assert!(engine.purge(seen.id()).await.unwrap());
    assert_eq!(call(&engine, ONCE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_released_reservation_runs_again_before_its_lease_ends() {
    let (engine, runs) = (engine(), Runs::new());
    begin(&engine, CHARGE).await.hold_for_lease().await;
    let seen = inspect(&engine).await.unwrap();
    assert!(engine.release(&seen).await.unwrap().is_none());
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_release_leaves_what_is_not_reserved_any_more() {
    let engine = engine();
    let owner = begin(&engine, CHARGE).await;
    let seen = inspect(&engine).await.unwrap();
    owner.complete(&Ok(7)).await;
    let now = engine.release(&seen).await.unwrap().unwrap();
    assert_eq!(now.state(), State::Completed);

    let seen = lost(&Idempotency::new(MemoryStore::new())).await;
    let now = engine.release(&seen).await.unwrap();
    assert!(now.is_some(), "another store's inspection releases nothing here");
}

#[tokio::test(start_paused = true)]
async fn a_release_does_not_touch_a_successor() {
    let engine = engine();
    begin(&engine, CHARGE).await.hold_for_lease().await;
    let seen = inspect(&engine).await.unwrap();
    advance(secs(31)).await;
    let successor = begin(&engine, CHARGE).await;
    let now = engine.release(&seen).await.unwrap().unwrap();
    assert_eq!((now.state(), Some(now.token())), (State::Reserved, successor.token()));
}

#[tokio::test(start_paused = true)]
async fn a_release_leaves_an_indeterminate_record() {
    let engine = engine();
    let seen = lost(&engine).await;
    let now = engine.release(&seen).await.unwrap().unwrap();
    assert_eq!(now.state(), State::Indeterminate);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_resolved_as_completed_replays_that_result() {
    let (engine, runs) = (engine(), Runs::new());
    let seen = lost(&engine).await;
    assert_eq!(seen.state(), State::Indeterminate);
    engine.resolve(&seen, Resolution::completed(7_usize)).await.unwrap();
    assert_eq!(call(&engine, ONCE, "k", &runs).await.unwrap(), 7);
    assert_eq!(runs.count(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_resolution_may_say_how_long_its_result_is_kept() {
    let (engine, runs) = (engine(), Runs::new());
    let seen = lost(&engine).await;
    engine.resolve(&seen, Resolution::completed(7_usize).keep_for(secs(60))).await.unwrap();
    advance(secs(59)).await;
    assert_eq!(call(&engine, ONCE, "k", &runs).await.unwrap(), 7);
    advance(secs(1)).await;
    assert_eq!(call(&engine, ONCE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_resolved_as_never_happened_runs_again() {
    let (engine, runs) = (engine(), Runs::new());
    let seen = lost(&engine).await;
    let never = Resolution::never_happened_and_owner_is_dead();
    engine.resolve(&seen, never).await.unwrap();
    assert_eq!(call(&engine, ONCE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_resolution_does_not_change_what_a_late_owner_recorded() {
    let (engine, runs) = (engine(), Runs::new());
    let owner = begin(&engine, ONCE).await;
    let seen = inspect(&engine).await.unwrap();
    owner.complete(&Ok(7)).await;
    let moved = engine.resolve(&seen, Resolution::completed(8_usize)).await.unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::Indeterminate);
    let never = Resolution::never_happened_and_owner_is_dead();
    engine.resolve(&seen, never).await.unwrap_err();
    let again = ONCE.key("k").engine(&engine).fingerprint("p").returning::<Answer>();
    assert_eq!(again.run(|| async { Ok(runs.note()) }).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_late_owner_does_not_change_what_was_resolved() {
    let engine = engine();
    let owner = begin(&engine, ONCE).await;
    let seen = inspect(&engine).await.unwrap();
    engine.resolve(&seen, Resolution::completed(8_usize)).await.unwrap();
    owner.complete(&Ok(7)).await;
    assert_eq!(call(&engine, ONCE, "k", &Runs::new()).await.unwrap(), 8);
}

#[tokio::test(start_paused = true)]
async fn a_resolution_does_not_touch_a_successor() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.purge(seen.id()).await.unwrap();
    let successor = begin(&engine, ONCE).await;
    let moved = engine.resolve(&seen, Resolution::completed(8_usize)).await.unwrap_err();
    assert_eq!(moved.kind(), ErrorKind::InProgress);
    let never = Resolution::never_happened_and_owner_is_dead();
    assert_eq!(engine.resolve(&seen, never).await.unwrap_err().kind(), ErrorKind::InProgress);
    assert_eq!(inspect(&engine).await.map(|now| now.token()), successor.token());
}

#[tokio::test(start_paused = true)]
async fn a_resolution_of_a_record_that_is_gone_records_nothing() {
    let engine = engine();
    let seen = lost(&engine).await;
    engine.purge(seen.id()).await.unwrap();
    let gone = engine.resolve(&seen, Resolution::completed(8_usize)).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::Indeterminate);
    assert!(inspect(&engine).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_scan_finds_what_is_unfinished_page_by_page() {
    let engine = engine();
    for key in 0..25 {
        let begun = ONCE.key(&key).engine(&engine).returning::<Answer>().begin().await.unwrap();
        let BeginOutcome::Reserved(begun) = begun else { panic!("replayed") };
        begun.hold_for_lease().await;
        call(&engine, CHARGE, &format!("done {key}"), &Runs::new()).await.unwrap();
    }
    advance(secs(31)).await;
    let mut keys = std::collections::BTreeSet::new();
    let mut scan = Scan::unfinished().operation("charge").limit(7);
    let mut pages = 0;
    loop {
        let page = engine.scan(&scan).await.unwrap();
        pages += 1;
        for seen in &page.entries {
            assert_eq!(seen.state(), State::Indeterminate);
            keys.insert(seen.key().unwrap().to_owned());
        }
        match page.next {
            Some(next) => scan = scan.after(next),
            None => break,
        }
    }
    assert_eq!(keys.len(), 25);
    assert!(pages >= 4);
    let other = engine.scan(&Scan::unfinished().operation("other")).await.unwrap();
    assert!(other.entries.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_operators_call_has_a_deadline_and_reports_the_store() {
    let faults = [StoreMethod::Load, StoreMethod::Purge, StoreMethod::Scan];
    let store = faults.iter().fold(FaultyStore::new(MemoryStore::new()), |store, call| {
        store.on(*call, When::Always, Fault::Hang)
    });
    let engine = Idempotency::new(store);
    let id = engine.record_id("charge", None, "k").unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(engine.purge(&id).await.unwrap_err().kind(), ErrorKind::Store);
    assert_eq!(engine.scan(&Scan::all()).await.unwrap_err().kind(), ErrorKind::Store);
}

#[tokio::test(start_paused = true)]
async fn a_call_is_not_resolved_with_a_result_that_would_not_be_kept() {
    let engine = Idempotency::builder(MemoryStore::new()).max_result_bytes(8).build();
    let seen = lost(&engine).await;
    let large = engine.resolve(&seen, Resolution::completed("x".repeat(9))).await.unwrap_err();
    assert_eq!(large.kind(), ErrorKind::Encode);
    assert_eq!(inspect(&engine).await.unwrap().state(), State::Indeterminate);
    engine.resolve(&seen, Resolution::completed(7_usize)).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_result_is_read_as_its_own_type_or_as_any() {
    let (engine, runs) = (engine(), Runs::new());
    begin(&engine, ONCE).await.hold_for_lease().await;
    let seen = inspect(&engine).await.unwrap();
    assert!(seen.result().is_none() && seen.not_kept().is_none());
    assert!(seen.bytes() > 40 && seen.retention() == secs(30 * 86_400));
    engine.purge(seen.id()).await.unwrap();

    call(&engine, CHARGE, "k", &runs).await.unwrap();
    let seen = inspect(&engine).await.unwrap();
    let result = seen.result().unwrap();
    assert_eq!((result.is_error(), result.decode::<usize>().unwrap()), (false, 1));
    assert_eq!(result.decode::<serde_json::Value>().unwrap(), serde_json::json!(1));
    let wrong = result.decode::<String>().unwrap_err();
    assert_eq!(wrong.kind(), ErrorKind::Decode);
    assert_eq!(format!("{result:?}"), "RecordedResult { is_error: false, bytes: 1, .. }");
}

#[tokio::test(start_paused = true)]
async fn a_tombstone_says_why_it_has_no_result() {
    let engine = Idempotency::builder(MemoryStore::new()).max_result_bytes(0).build();
    call(&engine, CHARGE, "k", &Runs::new()).await.unwrap();
    let seen = inspect(&engine).await.unwrap();
    assert!(seen.result().is_none());
    assert_eq!(seen.not_kept(), Some(idempotent_core::model::NotKept::TooLarge));
}

#[tokio::test(start_paused = true)]
async fn what_was_seen_is_purged_in_every_state() {
    let engine = engine();
    for state in [State::Reserved, State::Completed, State::Indeterminate] {
        let owner = begin(&engine, ONCE).await;
        match state {
            State::Completed => owner.complete(&Ok(7)).await,
            State::Indeterminate => owner.abandon().await,
            _ => owner.hold_for_lease().await,
        }
        let seen = inspect(&engine).await.unwrap();
        assert_eq!(seen.state(), state);
        assert!(engine.purge_if_unchanged(&seen).await.unwrap(), "{state:?}");
        advance(secs(1)).await;
        assert!(inspect(&engine).await.is_none(), "{state:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_what_was_seen_leaves_a_successor() {
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    let seen = inspect(&engine).await.unwrap();
    engine.purge(seen.id()).await.unwrap();
    let successor = begin(&engine, CHARGE).await;
    assert!(!engine.purge_if_unchanged(&seen).await.unwrap());
    assert_eq!(inspect(&engine).await.map(|now| now.token()), successor.token());
    successor.complete(&Ok(7)).await;
    assert!(!engine.purge_if_unchanged(&seen).await.unwrap());
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_purge_of_a_running_call_leaves_what_it_has_recorded_since() {
    let (engine, runs) = (engine(), Runs::new());
    let owner = begin(&engine, ONCE).await;
    let seen = inspect(&engine).await.unwrap();
    owner.complete(&Ok(7)).await;
    assert!(!engine.purge_if_unchanged(&seen).await.unwrap());
    assert_eq!(call(&engine, ONCE, "k", &runs).await.unwrap(), 7);
}
