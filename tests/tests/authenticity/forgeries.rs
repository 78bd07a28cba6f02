//! Records that were changed, moved, stripped of their MAC or made up.

use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::Resolution;
use idempotent_core::model::{Record, RecordId};
use idempotent_core::store::{Scan, State};
use idempotent_core::{Error, ErrorKind, Guarantee, Idempotency, Operation, Reservation};
use idempotent_tests::{Answer, Runs, call, call_for, millis, secs};

use crate::backend::{Backend, scenarios};

const CHARGE: Operation = Operation::new("charge");
const AT_MOST_ONCE: Operation = CHARGE.guarantee(Guarantee::AtMostOnce);

/// The encoded form of a result that the body would never have returned.
const FORGED: &[u8] = b"\x00\x2a";

scenarios! {
    what_the_fleet_wrote_is_replayed_and_shown,
    a_result_that_was_made_up_is_refused_and_shown_and_purged,
    no_field_that_is_believed_can_be_changed,
    a_record_of_another_key_is_refused,
    a_running_call_that_was_changed_makes_no_duplicate_run_or_wait,
    an_operator_sees_and_resolves_only_what_is_authentic,
    an_outcome_that_is_unknown_is_authentic_too,
}

fn id(engine: &Idempotency, key: &str) -> RecordId {
    engine.record_id("charge", None, key).unwrap()
}

async fn begin(engine: &Idempotency, operation: Operation, key: &str) -> Reservation<usize, Error> {
    let call = operation.key(key).engine(engine).returning::<Answer>();
    match call.begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

/// Refused on every way, and its body does not run.
async fn assert_refused(engine: &Idempotency, key: &str) {
    let runs = Runs::new();
    for operation in [CHARGE, CHARGE.wait(secs(1)), AT_MOST_ONCE] {
        let error = call(engine, operation, key, &runs).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NotAuthentic, "{error:?}");
        assert!(!error.is_retryable());
    }
    assert_eq!(runs.count(), 0);
    let inspected = engine.inspect(&id(engine, key)).await.unwrap_err();
    assert_eq!(inspected.kind(), ErrorKind::NotAuthentic);
}

async fn what_the_fleet_wrote_is_replayed_and_shown(backend: Backend) {
    let (writer, reader, runs) = (backend.engine(), backend.engine(), Runs::new());
    for engine in [&writer, &reader, &writer] {
        assert_eq!(call(engine, CHARGE, "k", &runs).await.unwrap(), 1);
    }
    begin(&writer, CHARGE, "tombstone").await.complete_without_result(None).await;
    let kept_out = call(&reader, CHARGE, "tombstone", &runs).await.unwrap_err();
    assert_eq!(kept_out.kind(), ErrorKind::ResultNotKept);
    let page = reader.scan(&Scan::all()).await.unwrap();
    assert_eq!((page.entries.len(), page.unreadable.len()), (2, 0));
    assert!(page.entries.iter().all(|seen| seen.state() == State::Completed));
}

async fn a_result_that_was_made_up_is_refused_and_shown_and_purged(backend: Backend) {
    let (engine, runs) = (backend.engine(), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    let stored = backend.bytes("k").await;
    let made_up = Record::from_bytes(&stored).unwrap().completed(FORGED);
    // Without a MAC, and with that of the record that was there.
    let mut with_its_mac = stored.clone();
    let payload = stored.len() - 32 - 1;
    with_its_mac[payload] = 42;
    for forged in [made_up.as_bytes(), &with_its_mac] {
        backend.overwrite("k", forged).await;
        assert_refused(&engine, "k").await;
        let page = engine.scan(&Scan::all()).await.unwrap();
        assert_eq!((page.entries.len(), page.unreadable.len()), (0, 1));
        let shown = &page.unreadable[0];
        assert_eq!(shown.id, Some(id(&engine, "k")));
        assert!(shown.reason.contains("not authentic"), "{shown:?}");
    }
    backend.overwrite("k", &stored).await;
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    backend.overwrite("k", &with_its_mac).await;
    assert!(engine.purge(&id(&engine, "k")).await.unwrap());
    assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 2);
}

async fn no_field_that_is_believed_can_be_changed(backend: Backend) {
    let (engine, runs) = (backend.engine(), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    let stored = backend.bytes("k").await;
    let place = backend.place("k").await;
    for at in 0..stored.len() {
        let mut changed = stored.clone();
        changed[at] ^= 1;
        backend.put(&place, &changed).await;
        let error = call(&engine, CHARGE, "k", &runs).await.unwrap_err();
        let refused = matches!(error.kind(), ErrorKind::NotAuthentic | ErrorKind::Incompatible);
        assert!(refused && runs.count() == 1, "byte {at}: {error:?}");
        backend.put(&place, &stored).await;
        assert_eq!(call(&engine, CHARGE, "k", &runs).await.unwrap(), 1);
    }
}

async fn a_record_of_another_key_is_refused(backend: Backend) {
    let (engine, runs) = (backend.engine(), Runs::new());
    call(&engine, CHARGE, "theirs", &runs).await.unwrap();
    call(&engine, CHARGE, "mine", &runs).await.unwrap();
    let theirs = backend.bytes("theirs").await;
    backend.overwrite("mine", &theirs).await;
    assert_refused(&engine, "mine").await;
    assert_eq!(runs.count(), 2);
}

async fn a_running_call_that_was_changed_makes_no_duplicate_run_or_wait(backend: Backend) {
    let (engine, runs) = (backend.engine(), Runs::new());
    let reservation = begin(&engine, AT_MOST_ONCE.lease(secs(60)), "k").await;
    let stored = backend.bytes("k").await;
    // The guarantee, so that a lapse would mean *run again*; and the owner's token.
    for at in [2, 4] {
        let mut changed = stored.clone();
        changed[at] ^= 1;
        backend.overwrite("k", &changed).await;
        assert_refused(&engine, "k").await;
    }
    backend.overwrite("k", &stored).await;
    let waiting = call_for(&engine, CHARGE.wait(secs(20)), "k", &runs, millis(0));
    reservation.complete(&Ok(7)).await;
    assert_eq!((waiting.await.unwrap().unwrap(), runs.count()), (7, 0));
}

async fn an_operator_sees_and_resolves_only_what_is_authentic(backend: Backend) {
    let engine = backend.engine();
    begin(&engine, AT_MOST_ONCE, "k").await.abandon().await;
    let seen = engine.inspect(&id(&engine, "k")).await.unwrap().unwrap();
    assert_eq!(seen.state(), State::Indeterminate);
    let stored = backend.bytes("k").await;
    let mut changed = stored.clone();
    *changed.last_mut().unwrap() ^= 1;
    backend.overwrite("k", &changed).await;
    assert_refused(&engine, "k").await;
    // Who inspected it before that does not learn of it by resolving, and what they write is theirs.
    backend.overwrite("k", &stored).await;
    engine.resolve(&seen, Resolution::completed(9_usize)).await.unwrap();
    assert_eq!(call(&engine, CHARGE, "k", &Runs::new()).await.unwrap(), 9);
    assert_eq!(call(&backend.engine(), CHARGE, "k", &Runs::new()).await.unwrap(), 9);
}

async fn an_outcome_that_is_unknown_is_authentic_too(backend: Backend) {
    let (engine, runs) = (backend.engine(), Runs::new());
    begin(&engine, AT_MOST_ONCE, "abandoned").await.abandon().await;
    let indeterminate = call(&engine, CHARGE, "abandoned", &runs).await.unwrap_err();
    assert_eq!(indeterminate.kind(), ErrorKind::Indeterminate, "{indeterminate:?}");
    begin(&engine, CHARGE.lease(secs(60)), "held").await.hold_for_lease().await;
    let held = call(&engine, CHARGE, "held", &runs).await.unwrap_err();
    assert_eq!((held.kind(), runs.count()), (ErrorKind::Held, 0), "{held:?}");
}
