//! What one tenant keeps in the file, and what that does to the others.

use idempotent_core::Operation;
use idempotent_core::engine::ScopeShare;
use idempotent_core::model::{RecordId, ScopeId};
use idempotent_core::store::Store;
use idempotent_tests::{Tenant, secs, until_within};

use crate::database::Database;

const CHARGE: Operation = Operation::new("charge");
/// So many that a process asks in time, however slow the machine is.
const RECORDS: usize = 64;

async fn records(store: &impl Store, tenant: &str) -> u64 {
    let scope = ScopeId::of(tenant).unwrap();
    store.scope_use(&scope, u64::MAX).await.unwrap().unwrap().records
}

#[tokio::test]
async fn one_process_exceeds_a_share_by_no_more_than_it_has_in_flight() {
    let file = Database::new();
    let store = file.store().await;
    let share = ScopeShare::new().max_records(RECORDS as u64);
    let mallory = Tenant::new(store.clone(), share, "mallory");
    mallory.until_full(CHARGE, "key").await;
    let runs = mallory.runs();
    assert!((RECORDS / 2..=RECORDS + 1).contains(&runs), "{runs}");
    assert_eq!(records(&store, "mallory").await, runs as u64);
    // What is there is replayed, and others are let in.
    assert_eq!(mallory.call(CHARGE, "key-1").await.unwrap(), 1);
    mallory.other("alice").call(CHARGE, "key-1").await.unwrap();
    assert_eq!(records(&store, "alice").await, 1);
}

#[tokio::test]
async fn a_process_learns_what_a_tenant_keeps_through_another_one() {
    let file = Database::new();
    let (one, two) = (file.store().await, file.store().await);
    let share = ScopeShare::new().max_records(RECORDS as u64);
    let here = Tenant::new(one, share, "mallory");
    here.until_full(CHARGE, "here").await;
    let there = Tenant::new(two.clone(), share, "mallory");
    there.until_full(CHARGE, "there").await;
    // It was let in until it had asked, and not until it had a share of its own.
    assert!(there.runs() < RECORDS, "{}", there.runs());
    there.other("alice").call(CHARGE, "key").await.unwrap();
    for key in 1..=here.runs() {
        let id = RecordId::of("charge", Some(&"mallory"), &format!("here-{key}")).unwrap();
        assert!(two.purge(&id).await.unwrap());
    }
    let before = there.runs();
    // It asks again after fifty times as long as the last answer took, and after a minute at the latest.
    until_within(secs(90), async || there.call(CHARGE, "again").await.is_ok()).await;
    assert_eq!(there.runs(), before + 1);
}
