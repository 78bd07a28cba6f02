//! Which calls are the same call.

use std::collections::HashSet;

use idempotent_core::backends::MemoryStore;
use idempotent_core::model::RecordId;
use idempotent_core::{Error, ErrorKind, Idempotency, Key, Operation};
use idempotent_tests::{Answer, Runs, call, engine, secs};

const CHARGE: Operation = Operation::new("charge");

async fn keyed(engine: &Idempotency, key: &impl Key) -> Answer {
    CHARGE.key(key).engine(engine).returning::<Answer>().run(|| async { Ok(1) }).await
}

async fn scoped(engine: &Idempotency, scope: &impl Key, key: &impl Key, runs: &Runs) -> Answer {
    let call = CHARGE.key(key).scope(scope).engine(engine).returning::<Answer>();
    call.run(|| async { Ok(runs.note()) }).await
}

fn kind(answer: Answer) -> ErrorKind {
    answer.unwrap_err().kind()
}

#[tokio::test]
async fn none_is_a_missing_key_wherever_it_stands() {
    let (engine, none, runs) = (engine(), None::<u32>, Runs::new());
    assert_eq!(kind(keyed(&engine, &none).await), ErrorKind::MissingKey);
    assert_eq!(kind(keyed(&engine, &("order:", none)).await), ErrorKind::MissingKey);
    assert_eq!(kind(keyed(&engine, &(1, (2, none))).await), ErrorKind::MissingKey);
    assert_eq!(kind(keyed(&engine, &Some(none)).await), ErrorKind::MissingKey);
    assert_eq!(kind(scoped(&engine, &none, &1, &runs).await), ErrorKind::MissingKey);
    assert_eq!(kind(scoped(&engine, &("t", none), &1, &runs).await), ErrorKind::MissingKey);
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn an_empty_key_part_or_scope_is_invalid() {
    let (engine, runs) = (engine(), Runs::new());
    assert_eq!(kind(keyed(&engine, &"").await), ErrorKind::InvalidKey);
    assert_eq!(kind(keyed(&engine, &("order:", "")).await), ErrorKind::InvalidKey);
    assert_eq!(kind(keyed(&engine, &Some("")).await), ErrorKind::InvalidKey);
    assert_eq!(kind(scoped(&engine, &"", &1, &runs).await), ErrorKind::InvalidKey);
    let nothing: &[u8] = &[];
    assert_eq!(kind(keyed(&engine, &nothing).await), ErrorKind::InvalidKey);
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn a_key_has_at_most_255_bytes_and_so_has_a_scope() {
    let (engine, runs) = (engine(), Runs::new());
    let (fits, over) = ("é".repeat(127) + "x", "é".repeat(128));
    keyed(&engine, &fits).await.unwrap();
    scoped(&engine, &fits, &fits, &runs).await.unwrap();
    assert_eq!(kind(keyed(&engine, &over).await), ErrorKind::KeyTooLong);
    assert_eq!(kind(keyed(&engine, &(fits, "y")).await), ErrorKind::KeyTooLong);
    assert_eq!(kind(scoped(&engine, &over, &1, &runs).await), ErrorKind::InvalidScope);
}

#[tokio::test]
async fn the_limit_of_keys_can_be_set() {
    let engine = Idempotency::builder(MemoryStore::new()).max_key_bytes(3).build();
    keyed(&engine, &"abc").await.unwrap();
    assert_eq!(kind(keyed(&engine, &"abcd").await), ErrorKind::KeyTooLong);
}

#[tokio::test]
async fn operations_of_different_names_do_not_share_a_key() {
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, Operation::new("a"), "k", &runs).await.unwrap();
    call(&engine, Operation::new("b"), "k", &runs).await.unwrap();
    call(&engine, Operation::new("ak"), "k", &runs).await.unwrap();
    assert_eq!(runs.count(), 3);
}

#[tokio::test]
async fn scopes_do_not_share_a_key_with_each_other_or_with_none() {
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, CHARGE, "k", &runs).await.unwrap();
    scoped(&engine, &"alice", &"k", &runs).await.unwrap();
    scoped(&engine, &"bob", &"k", &runs).await.unwrap();
    scoped(&engine, &("ali", "ce"), &"k", &runs).await.unwrap();
    assert_eq!(runs.count(), 4);
    assert_eq!(scoped(&engine, &"alice", &"k", &runs).await.unwrap(), 2);
}

#[tokio::test]
async fn a_scope_and_a_key_do_not_run_together() {
    let (engine, runs) = (engine(), Runs::new());
    scoped(&engine, &"a", &("b", "c"), &runs).await.unwrap();
    scoped(&engine, &("a", "b"), &"c", &runs).await.unwrap();
    scoped(&engine, &"ab", &"c", &runs).await.unwrap();
    CHARGE
        .key(&("a", "b", "c"))
        .engine(&engine)
        .returning::<Answer>()
        .run(|| async { Ok(runs.note()) })
        .await
        .unwrap();
    assert_eq!(runs.count(), 4);
}

#[test]
fn parts_of_a_key_do_not_run_together() {
    let long = "x".repeat(128);
    let ids: HashSet<String> = [
        RecordId::of("n", None, &("a:b", "c")),
        RecordId::of("n", None, &("a", "b:c")),
        RecordId::of("n", None, &("a:b:c",)),
        RecordId::of("n", None, &("a", ":", "b", ":", "c")),
        RecordId::of("n", None, &("a\u{1}b", "c")),
        RecordId::of("n", None, &("a", "b\u{1}c")),
        RecordId::of("n", None, &(1, 23)),
        RecordId::of("n", None, &(12, 3)),
        RecordId::of("n", None, &123),
        RecordId::of("n", None, &(&*long, "x")),
        RecordId::of("n", None, &("x", &*long)),
        RecordId::of("n", None, &(format!("{long}x"))),
    ]
    .map(|id| id.unwrap().to_string())
    .into();
    assert_eq!(ids.len(), 12);
}

#[tokio::test]
async fn a_key_is_its_text_whatever_its_type() {
    let (engine, runs) = (engine(), Runs::new());
    let uuid = uuid::Uuid::from_u128(7);
    let call = |key: &dyn Fn() -> RecordId| key();
    let same = |a: &dyn Fn() -> RecordId, b: &dyn Fn() -> RecordId| call(a) == call(b);
    let of = |key: Result<RecordId, _>| key.unwrap();
    assert!(same(&|| of(RecordId::of("n", None, &42_u8)), &|| of(RecordId::of("n", None, "42"))));
    assert!(same(&|| of(RecordId::of("n", None, &-1_i64)), &|| of(RecordId::of("n", None, "-1"))));
    assert_eq!(
        RecordId::of("n", None, &uuid).unwrap(),
        RecordId::of("n", None, &uuid.to_string()).unwrap()
    );
    assert_eq!(
        RecordId::of("n", None, &Some(Box::new('x'))).unwrap(),
        RecordId::of("n", None, &format_args!("{}", "x")).unwrap()
    );
    assert_eq!(runs.count(), 0);
    drop(engine);
}

#[tokio::test]
async fn a_secret_changes_ids_and_fingerprints() {
    let plain = engine();
    let keyed = |secret| Idempotency::builder(MemoryStore::new()).secret([secret; 32]).build();
    let engines = [plain, keyed(1), keyed(2)];
    let mut ids = HashSet::new();
    let mut fingerprints = HashSet::new();
    for engine in &engines {
        let call = CHARGE.key("k").scope("s").engine(engine).fingerprint("p").returning::<Answer>();
        call.run(|| async { Ok(1) }).await.unwrap();
        let id = engine.record_id("charge", Some(&"s"), "k").unwrap();
        let seen = engine.inspect(&id).await.unwrap().expect("the id is where the call is");
        fingerprints.insert(*seen.fingerprint().unwrap().as_bytes());
        ids.insert(*id.hash());
    }
    assert_eq!((ids.len(), fingerprints.len()), (3, 3));
}

#[tokio::test]
async fn two_engines_of_one_secret_share_records() {
    let (store, runs) = (MemoryStore::new(), Runs::new());
    let engine = || Idempotency::builder(store.clone()).secret([7; 32]).build();
    call(&engine(), CHARGE, "k", &runs).await.unwrap();
    assert_eq!(call(&engine(), CHARGE, "k", &runs).await.unwrap(), 1);
}

#[tokio::test]
async fn redacted_keys_are_not_in_the_record() {
    let (shown, redacted) = (MemoryStore::new(), MemoryStore::new());
    for (engine, expected) in [
        (Idempotency::new(shown), Some("order:7")),
        (Idempotency::builder(redacted).redact_keys().build(), None),
    ] {
        keyed(&engine, &("order:", 7)).await.unwrap();
        let id = engine.record_id("charge", None, &("order:", 7)).unwrap();
        assert_eq!(engine.inspect(&id).await.unwrap().unwrap().key(), expected);
    }
}

#[tokio::test]
async fn a_ttl_of_nothing_or_below_the_lease_is_misconfigured() {
    let (engine, runs) = (engine(), Runs::new());
    for operation in [
        CHARGE.ttl(secs(0)),
        CHARGE.lease(secs(0)),
        CHARGE.ttl(secs(10)).lease(secs(11)),
        CHARGE.lease(secs(2 * 86_400)),
    ] {
        let refused: Error = call(&engine, operation, "k", &runs).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::Misconfigured);
    }
    assert_eq!(runs.count(), 0);
}

#[tokio::test]
async fn a_ttl_below_the_engines_lease_shortens_the_lease() {
    let (engine, runs) = (engine(), Runs::new());
    call(&engine, CHARGE.ttl(secs(10)), "k", &runs).await.unwrap();
    let id = engine.record_id("charge", None, "k").unwrap();
    assert_eq!(engine.inspect(&id).await.unwrap().unwrap().lease(), secs(10));
}

#[tokio::test(start_paused = true)]
async fn no_duration_is_too_long() {
    let (engine, runs) = (engine(), Runs::new());
    let longest = std::time::Duration::MAX;
    let operation = CHARGE.ttl(longest).lease(longest).max_run(longest).wait(longest);
    assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 1);
    assert_eq!(call(&engine, operation, "k", &runs).await.unwrap(), 1);
}
