//! What the compiler's messages say to write: it compiles, and does what was meant.
//!
//! The mistakes are in `tests/ui`.

use std::rc::Rc;
use std::sync::Arc;

use axum::response::IntoResponse;
use idempotent_core::backends::MemoryStore;
use idempotent_core::{Disposition, Error, Idempotency, Operation, idempotent};
use serde::{Deserialize, Serialize};

use crate::alone;

#[derive(Clone, Serialize)]
struct Order {
    id: u32,
}

#[idempotent(key = order.id)]
async fn by_expression(order: Order, ran: u32) -> Result<u32, Error> {
    Ok(ran)
}

#[idempotent(key = "order:{order.id}")]
async fn by_braces(order: Order, ran: u32) -> Result<u32, Error> {
    Ok(ran)
}

#[idempotent(key = "nightly", singleton)]
async fn one_for_all(ran: u32) -> Result<u32, Error> {
    Ok(ran)
}

#[tokio::test]
async fn a_key_with_its_braces_tells_calls_apart_and_a_singleton_does_not() {
    alone(async {
        let order = |id| Order { id };
        assert_eq!(by_expression(order(1), 1).await.unwrap(), 1);
        assert_eq!(by_expression(order(2), 2).await.unwrap(), 2);
        assert_eq!(by_braces(order(1), 1).await.unwrap(), 1);
        assert_eq!(by_braces(order(2), 2).await.unwrap(), 2);
        assert_eq!(one_for_all(1).await.unwrap(), 1);
        assert_eq!(one_for_all(2).await.unwrap(), 1);
    })
    .await;
}

const NIGHTLY: &str = "nightly";

#[idempotent(key = NIGHTLY, singleton)]
async fn named_constant(ran: u32) -> Result<u32, Error> {
    Ok(ran)
}

/// A name is a key without the flag too, since nobody writes one for want of braces.
#[idempotent(key = NIGHTLY)]
async fn named_constant_without_the_flag(ran: u32) -> Result<u32, Error> {
    Ok(ran)
}

/// Neither is an argument in quotes.
#[idempotent(key = order, scope = "everybody", fingerprint = "v1")]
async fn other_constants(order: u32) -> Result<u32, Error> {
    Ok(order)
}

#[tokio::test]
async fn constants_that_cannot_be_a_mistake_are_no_errors() {
    alone(async {
        assert_eq!(named_constant(1).await.unwrap(), 1);
        assert_eq!(named_constant(2).await.unwrap(), 1);
        assert_eq!(named_constant_without_the_flag(1).await.unwrap(), 1);
        assert_eq!(other_constants(3).await.unwrap(), 3);
    })
    .await;
}

#[idempotent(key = order.id, response)]
async fn respond(order: Order) -> impl IntoResponse {
    order.id.to_string()
}

#[idempotent(key = order.id, response)]
async fn respond_or_not(order: Order) -> Result<impl IntoResponse, String> {
    Ok(order.id.to_string())
}

#[tokio::test]
async fn a_response_is_memoized_by_its_flag() {
    alone(async {
        assert_eq!(respond(Order { id: 1 }).await.status(), 200);
        assert_eq!(respond_or_not(Order { id: 1 }).await.into_response().status(), 200);
        let replayed = respond(Order { id: 1 }).await;
        assert_eq!(replayed.headers()["idempotency-replayed"], "true");
    })
    .await;
}

#[idempotent(key = cents)]
async fn in_cents(cents: u64) -> Result<u64, Error> {
    Ok(cents)
}

#[idempotent(key = id, engine = Idempotency::new(store))]
async fn on_a_wrapped_store(store: MemoryStore, id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[idempotent(key = id, engine = engine)]
async fn on_a_shared_engine(engine: Arc<Idempotency>, id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[tokio::test]
async fn cents_are_a_key_and_a_wrapped_store_is_an_engine() {
    let store = MemoryStore::new();
    assert_eq!(in_cents(1990).await.unwrap(), 1990);
    assert_eq!(on_a_wrapped_store(store.clone(), 1).await.unwrap(), 1);
    let engine = Arc::new(Idempotency::new(store));
    assert_eq!(on_a_shared_engine(engine, 1).await.unwrap(), 1);
}

/// An error type of one's own, for `anyhow::Error` under `memoize = all`.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Failed {
    Declined(String),
    Refused,
}

impl From<Error> for Failed {
    fn from(_: Error) -> Self {
        Self::Refused
    }
}

#[idempotent(key = id, memoize = all)]
async fn with_an_error_of_its_own(id: u32, why: &str) -> Result<u32, Failed> {
    Err(Failed::Declined(format!("{id} {why}")))
}

fn keep(_: &anyhow::Error) -> Disposition {
    Disposition::Keep
}

#[idempotent(key = id, on_error = keep)]
async fn with_on_error(id: u32) -> anyhow::Result<u32> {
    anyhow::bail!("{id} is declined")
}

#[derive(Debug)]
enum ApiError {
    Refused { source: Error },
}

fn refused(source: Error) -> ApiError {
    ApiError::Refused { source }
}

#[idempotent(key = id, map_error = refused)]
async fn with_named_fields(id: Option<u32>) -> Result<u32, ApiError> {
    Ok(id.unwrap_or_default())
}

#[tokio::test]
async fn errors_are_kept_or_decided_about() {
    alone(async {
        let declined = || Failed::Declined("1 first".to_owned());
        assert_eq!(with_an_error_of_its_own(1, "first").await, Err(declined()));
        assert_eq!(with_an_error_of_its_own(1, "second").await, Err(declined()));
        with_on_error(1).await.unwrap_err();
        let second = with_on_error(1).await.unwrap_err();
        let kept = second.downcast_ref::<Error>().map(Error::kind);
        assert_eq!(kept, Some(idempotent_core::ErrorKind::ResultNotKept));
        let ApiError::Refused { source } = with_named_fields(None).await.unwrap_err();
        assert_eq!(source.kind(), idempotent_core::ErrorKind::MissingKey);
    })
    .await;
}

#[idempotent(key = id, detach)]
async fn dropped_before_the_await(id: u32) -> Result<u32, Error> {
    let sum = {
        let not_send = Rc::new(id);
        *not_send + 1
    };
    std::future::ready(()).await;
    Ok(sum)
}

#[idempotent(key = id, detach)]
async fn shared_by_an_arc(id: Arc<u32>) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Ok(*id)
}

#[tokio::test]
async fn a_detached_body_keeps_nothing_that_is_not_send() {
    alone(async {
        assert_eq!(dropped_before_the_await(1).await.unwrap(), 2);
        assert_eq!(shared_by_an_arc(Arc::new(1)).await.unwrap(), 1);
    })
    .await;
}

#[tokio::test]
async fn an_async_fn_inside_a_function_or_an_operation_stands_for_a_closure() {
    #[idempotent(key = id)]
    async fn inside(id: u32, ran: u32) -> Result<u32, Error> {
        Ok(ran)
    }
    alone(async {
        assert_eq!((inside(1, 1).await.unwrap(), inside(1, 2).await.unwrap()), (1, 1));
        let closure = async |id: u32, ran: u32| {
            let call = Operation::new("shop.charge").key(&id).returning::<Result<u32, Error>>();
            call.run(|| async move { Ok(ran) }).await
        };
        assert_eq!((closure(1, 1).await.unwrap(), closure(1, 2).await.unwrap()), (1, 1));
    })
    .await;
}
