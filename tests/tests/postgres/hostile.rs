//! Keys, names, cursors and results that mean harm, or look as if.

use idempotent_core::store::{Cursor, Scan, Store, StoreErrorKind};
use idempotent_core::{ErrorKind, Idempotency, Operation};
use idempotent_servers::{Postgres, Server, require};
use idempotent_tests::{Attempt, Runs, call};

use crate::setup::{migrated, patient, records};

const KEYS: [&str; 9] = [
    "'; DROP TABLE idempotent.records; --",
    "\"; DROP SCHEMA idempotent CASCADE; --",
    "$$; SELECT pg_sleep(60); $$",
    "$1",
    "\\'; ROLLBACK; \\",
    "with\0nul",
    "%_*?[]",
    "\u{202e}\u{1f4a3}\u{0301}",
    "{braces}\r\n",
];

#[tokio::test]
async fn a_key_is_only_a_key_whatever_it_says() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let engine = Idempotency::new(migrated(patient(&server)).await);
    let operation = Operation::new("shop::charge");
    let long = "'".repeat(255);
    for (at, key) in KEYS.into_iter().chain([long.as_str()]).enumerate() {
        let runs = Runs::new();
        for _ in 0..2 {
            assert_eq!(call(&engine, operation, key, &runs).await.unwrap(), 1, "{key:?}");
        }
        assert_eq!((runs.count(), records(&server).await), (1, at + 1), "{key:?}");
    }
}

#[tokio::test]
async fn a_key_that_is_too_long_is_refused_before_the_server_is_asked() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let engine = Idempotency::new(migrated(patient(&server)).await);
    let runs = Runs::new();
    let key = "k".repeat(256);
    let error = call(&engine, Operation::new("shop::charge"), &key, &runs).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::KeyTooLong, "{error:?}");
    assert_eq!((runs.count(), records(&server).await), (0, 0));
}

#[tokio::test]
async fn a_name_is_only_a_name_whatever_it_says() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server)).await;
    let engine = Idempotency::new(store.clone());
    let name = "shop::'\"$$;--";
    let runs = Runs::new();
    for _ in 0..2 {
        assert_eq!(call(&engine, Operation::new(name), "42", &runs).await.unwrap(), 1);
    }
    for (operation, count) in [(name, 1), ("shop::%", 0), ("' OR '1' = '1", 0)] {
        let page = store.scan(&Scan::all().operation(operation)).await.unwrap();
        assert_eq!(page.entries.len(), count, "{operation}");
    }
}

#[tokio::test]
async fn a_result_survives_byte_for_byte_whatever_it_holds() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server)).await;
    let mebibyte: Vec<u8> =
        (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for payload in [&b""[..], b"\0", b"nul\0in\0between", b"\\x00'\"", &[0xff; 300], &mebibyte] {
        let attempt = Attempt::new();
        let reservation = attempt.win(&store).await;
        attempt.record(&store, &reservation, payload).await;
        let entry = store.load(&attempt.id).await.unwrap().unwrap();
        assert!(entry.record == reservation.completed(payload), "{} bytes", payload.len());
    }
}

#[tokio::test]
async fn a_cursor_that_no_scan_gave_is_refused() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server)).await;
    for cursor in ["'; DROP TABLE records", "0", "0x1", "é", "\0"] {
        let scan = Scan::all().after(Cursor(cursor.to_owned()));
        let error = store.scan(&scan).await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Malformed, "{cursor:?}");
    }
}

/// What somebody else wrote into the table is never a reason to run anything.
#[tokio::test]
async fn a_row_that_holds_no_record_is_an_error_and_hides_no_other() {
    require!(Server::Postgres);
    let server = Postgres::start().await;
    let store = migrated(patient(&server)).await;
    let (spoilt, whole) = (Attempt::new(), Attempt::new());
    spoilt.win(&store).await;
    for record in ["''", r"'\x00'", r"'\xff0000'"] {
        server.sql(&format!("UPDATE idempotent.records SET record = {record}")).await;
        assert_eq!(spoilt.reserve(&store).await.unwrap_err().kind(), StoreErrorKind::Malformed);
        assert_eq!(store.load(&spoilt.id).await.unwrap_err().kind(), StoreErrorKind::Malformed);
    }
    whole.win(&store).await;
    let page = store.scan(&Scan::all()).await.unwrap();
    assert_eq!(page.entries.len(), 1);
    assert_eq!(page.entries[0].0, whole.id);
    assert_eq!(page.unreadable.len(), 1);
    assert_eq!(page.unreadable[0].id.as_ref(), Some(&spoilt.id));
    assert!(store.purge(&spoilt.id).await.unwrap(), "it can be removed");
}
