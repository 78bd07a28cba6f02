//! What a body can learn of its call, and the keys it derives for others.

use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::engine::CurrentCall;
use idempotent_core::model::RecordId;
use idempotent_core::model::Token;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Error, Idempotency, Operation, current};
use idempotent_tests::{Fail, engine, secs};
use tokio::time::sleep;

const OUTER: Operation = Operation::new("outer").lease(secs(30));
const INNER: Operation = Operation::new("inner").lease(secs(30));

/// What a body saw. It is told by its error, so that the key is released.
struct Seen(Option<CurrentCall>);

impl From<Error> for Seen {
    fn from(_: Error) -> Self {
        Self(None)
    }
}

impl Seen {
    fn here<T>() -> Result<T, Self> {
        Err(Self(current()))
    }
}

fn call(engine: &Idempotency, operation: Operation, key: &str) -> idempotent_core::Call<(), Seen> {
    operation.key(key).engine(engine).returning::<Result<(), Seen>>()
}

async fn seen_in_a_body(engine: &Idempotency, key: &str) -> CurrentCall {
    call(engine, OUTER, key).run(|| async { Seen::here() }).await.unwrap_err().0.unwrap()
}

fn id(key: &str) -> RecordId {
    RecordId::of("outer", None, key).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_body_sees_its_own_call_and_nobody_else_does() {
    assert!(current().is_none());
    let seen = seen_in_a_body(&engine(), "k").await;
    assert_eq!(seen.record_id(), &id("k"));
    assert!(current().is_none());
}

#[tokio::test(start_paused = true)]
async fn its_token_is_that_of_the_reservation() {
    let engine = engine();
    let body = call(&engine, OUTER, "k").run(|| async {
        let stored: Token = engine.inspect(&id("k")).await?.unwrap().token();
        assert_eq!(current().unwrap().token(), Some(stored));
        Ok(())
    });
    assert!(body.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_again_derives_the_same_keys_under_another_token() {
    let engine = engine();
    let crashed = call(&engine, OUTER, "k").run(|| async {
        sleep(secs(1)).await;
        Seen::here()
    });
    let _ = crashed.now_or_never();
    sleep(secs(40)).await;
    let first = seen_in_a_body(&engine, "k").await;
    let again = seen_in_a_body(&engine, "k").await;
    assert_ne!(first.token(), again.token());
    assert_eq!(first.derive("stripe"), again.derive("stripe"));
    assert_eq!(first.derive("stripe"), id("k").derive("stripe"));
    let keys =
        |call: &CurrentCall| [call.derive_next("a"), call.derive_next("b"), call.derive_next("a")];
    assert_eq!(keys(&first), keys(&again));
}

#[tokio::test(start_paused = true)]
async fn the_next_key_is_another_one_and_other_calls_have_others() {
    let engine = engine();
    let (one, other) = (seen_in_a_body(&engine, "k").await, seen_in_a_body(&engine, "l").await);
    assert_ne!(one.derive("a"), other.derive("a"));
    assert_ne!(one.derive_next("a"), one.clone().derive_next("a"));
    assert_eq!(one.derive_next("a"), id("k").derive_nth("a", 2));
    assert_eq!(one.derive("a"), one.derive("a"));
}

#[tokio::test(start_paused = true)]
async fn a_call_within_a_call_hides_the_outer_one_until_it_ends() {
    let engine = engine();
    let outer = call(&engine, OUTER, "k").run(|| async {
        let inner = call(&engine, INNER, "k").run(|| async {
            tokio::task::yield_now().await;
            Seen::here()
        });
        let inner = inner.await.unwrap_err().0.unwrap();
        assert_eq!(inner.record_id().operation(), "inner");
        Seen::here()
    });
    let outer = outer.await.unwrap_err().0.unwrap();
    assert_eq!(outer.record_id().operation(), "outer");
}

#[tokio::test(start_paused = true)]
async fn bodies_that_take_turns_on_one_thread_see_their_own() {
    let engine = engine();
    let body = |key: &'static str| {
        call(&engine, OUTER, key).run(|| async {
            for _ in 0..10 {
                assert_eq!(current().unwrap().record_id(), &id(key));
                tokio::task::yield_now().await;
            }
            Ok(())
        })
    };
    let (one, other) = tokio::join!(body("k1"), body("k2"));
    assert!(one.is_ok() && other.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_closure_that_makes_a_body_is_part_of_the_call() {
    let made = call(&engine(), OUTER, "k").run(|| {
        let seen = current();
        async { Err(Seen(seen)) }
    });
    assert!(made.await.unwrap_err().0.is_some());
}

#[tokio::test(start_paused = true)]
async fn a_spawned_task_is_part_of_the_call_only_if_it_is_given_it() {
    let body = call(&engine(), OUTER, "k").run(|| async {
        let alone = tokio::spawn(async { current() }).await.unwrap();
        assert!(alone.is_none());
        let call = current().unwrap();
        let given = tokio::spawn(call.scope(async {
            tokio::task::yield_now().await;
            current()
        }));
        Err(Seen(given.await.unwrap()))
    });
    assert_eq!(body.await.unwrap_err().0.unwrap().record_id(), &id("k"));
}

#[tokio::test(start_paused = true)]
async fn a_detached_body_sees_its_call() {
    let detached = call(&engine(), OUTER, "k").run_detached(|| async {
        tokio::task::yield_now().await;
        Seen::here()
    });
    assert_eq!(detached.await.unwrap_err().0.unwrap().record_id(), &id("k"));
}

#[tokio::test(start_paused = true)]
async fn work_under_a_reservation_sees_its_call() {
    let reserved = OUTER.key("k").engine(&engine()).returning::<Result<u32, Fail>>().begin().await;
    let Ok(BeginOutcome::Reserved(reservation)) = reserved else { panic!("{reserved:?}") };
    assert!(current().is_none());
    let seen = reservation.scope(async { current() }).await.unwrap();
    assert_eq!(seen.token(), reservation.token());
    reservation.release().await;
}

#[tokio::test(start_paused = true)]
async fn a_body_that_panics_leaves_no_call_behind() {
    let panics = call(&engine(), OUTER, "k").run(|| async { panic!("on purpose") });
    assert!(AssertUnwindSafe(panics).catch_unwind().await.is_err());
    assert!(current().is_none());
}

#[tokio::test(start_paused = true)]
async fn an_unrecorded_body_has_no_token_and_derives_the_same_keys() {
    let store =
        FaultyStore::new(MemoryStore::new()).on(StoreMethod::Reserve, When::Always, Fault::Fail);
    let engine = Idempotency::builder(store).fail_open().build();
    let seen = seen_in_a_body(&engine, "k").await;
    assert_eq!((seen.token(), seen.record_id()), (None, &id("k")));
    assert_eq!(seen.derive_next("a"), id("k").derive_nth("a", 0));
}
