//! Refusals of this crate that a handler passes on: they are never kept as its response.

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post as route;
use idempotent_core::backends::MemoryStore;
use idempotent_core::call::BeginOutcome;
use idempotent_core::http::{IdempotencyLayer, Problem};
use idempotent_core::testing::{FaultyStore, StoreMethod};
use idempotent_core::{Error, ErrorKind, Idempotency, Operation, Reservation};
use idempotent_tests::{Answer, engine, secs};

use super::{Server, layer, post};

const CHARGE: Operation = Operation::new("charge");

async fn charge(engine: &Idempotency) -> Answer {
    let call = CHARGE.key("order 7").engine(engine).returning::<Answer>();
    call.run(|| async { Ok(7) }).await
}

/// Another worker runs the call that the handler makes.
async fn running(engine: &Idempotency) -> Reservation<usize, Error> {
    let call = CHARGE.key("order 7").engine(engine).returning::<Answer>();
    match call.begin().await.unwrap() {
        BeginOutcome::Reserved(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

/// Answers with the refusal as it is.
async fn as_it_is(State(engine): State<Idempotency>) -> Result<String, Error> {
    charge(&engine).await.map(|receipt| format!("receipt {receipt}"))
}

/// Answers with the status of the refusal, and a body of the service's own.
async fn in_its_own_words(State(engine): State<Idempotency>) -> Response {
    match charge(&engine).await {
        Ok(receipt) => format!("receipt {receipt}").into_response(),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap();
            (status, "come back later").into_response()
        }
    }
}

/// Passes on the answer of another service, which has an engine of its own.
async fn of_another_service(State(engine): State<Idempotency>) -> Response {
    let task = tokio::spawn(async move { charge(&engine).await });
    match task.await.unwrap() {
        Ok(receipt) => format!("receipt {receipt}").into_response(),
        Err(error) => Problem::from(&error).types("https://bank.example/").into_response::<Body>(),
    }
}

async fn serve(engine: &Idempotency) -> Server {
    let router = Router::new()
        .route("/as-it-is", route(as_it_is))
        .route("/in-its-own-words", route(in_its_own_words))
        .route("/of-another-service", route(of_another_service));
    Server::start(router.with_state(engine.clone()).layer(layer())).await
}

const PATHS: [&str; 3] = ["/as-it-is", "/in-its-own-words", "/of-another-service"];

#[tokio::test]
async fn a_call_in_progress_that_a_handler_passes_on_is_not_replayed() {
    for path in PATHS {
        let engine = engine();
        let server = serve(&engine).await;
        let other = running(&engine).await;
        let request = post(path).key("k");
        let refused = server.send(&request).await;
        assert_eq!((refused.status, refused.is_replay()), (409, false), "{path}");
        other.complete(&Ok(7)).await;
        let retry = server.send(&request).await;
        assert_eq!((retry.status, retry.text()), (200, "receipt 7"), "{path}");
        assert!(server.send(&request).await.is_replay(), "{path}");
    }
}

#[tokio::test]
async fn an_indeterminate_call_that_a_handler_passes_on_is_not_replayed_once_it_is_resolved() {
    use idempotent_core::engine::Resolution;
    for path in PATHS {
        let engine = engine();
        let server = serve(&engine).await;
        let lost = CHARGE.guarantee(idempotent_core::Guarantee::AtMostOnce).key("order 7");
        let lost = lost.engine(&engine).returning::<Answer>().begin().await.unwrap();
        let BeginOutcome::Reserved(lost) = lost else { panic!("replayed") };
        lost.abandon().await;
        let request = post(path).key("k");
        assert_eq!(server.send(&request).await.status, 423, "{path}");
        let id = engine.record_id("charge", None, "order 7").unwrap();
        let seen = engine.inspect(&id).await.unwrap().unwrap();
        engine.resolve(&seen, Resolution::completed(7_usize)).await.unwrap();
        assert_eq!(server.send(&request).await.text(), "receipt 7", "{path}");
    }
}

/// The inner one finds the key reserved by the outer one.
#[tokio::test]
async fn one_layer_around_another_of_its_name_keeps_no_refusal() {
    let guard = layer();
    let router = Router::new().route("/orders", route(|| async { "order 1" }));
    let server = Server::start(router.layer(guard.clone()).layer(guard)).await;
    let request = post("/orders").key("k");
    for _ in 0..2 {
        let refused = server.send(&request).await;
        assert_eq!((refused.status, refused.is_replay()), (409, false));
    }
}

#[tokio::test]
async fn a_handlers_own_409_is_kept_when_no_call_of_its_own_was_refused() {
    let conflict = || async { (StatusCode::CONFLICT, "sold out") };
    let server = Server::start(Router::new().route("/", route(conflict)).layer(layer())).await;
    let (first, second) = server.twice(&post("/").key("k")).await;
    assert_eq!((first.status, second.status, second.is_replay()), (409, 409, true));
}

#[tokio::test]
async fn who_waited_for_a_handler_that_failed_is_told_when_to_retry_as_the_handler_said() {
    use tokio::sync::Semaphore;
    let (gate, begun) = (std::sync::Arc::new(Semaphore::new(0)), idempotent_tests::Runs::new());
    let failing = {
        let (gate, begun) = (gate.clone(), begun.clone());
        move || async move {
            begun.note();
            gate.acquire().await.unwrap().forget();
            (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "down")
        }
    };
    let store = FaultyStore::new(MemoryStore::new());
    let layer = IdempotencyLayer::at_least_once(Idempotency::new(store.clone()), "shop");
    let router = Router::new().route("/", route(failing));
    let server = Server::start(router.layer(layer.scope(|_| "everybody").wait(secs(20)))).await;
    let (address, request) = (server.address, post("/").key("k"));
    let first = tokio::spawn({
        let request = request.clone();
        async move { request.send(address).await }
    });
    idempotent_tests::until_within(secs(20), async || begun.count() == 1).await;
    let waiting = tokio::spawn(async move { request.send(address).await });
    // It has found the running request.
    store.until_called(StoreMethod::Wait, 1).await;
    gate.add_permits(1);
    assert_eq!(first.await.unwrap().status, 503);
    let told = waiting.await.unwrap();
    let code = ErrorKind::OwnerFailed.code();
    assert_eq!((told.status, told.problem().as_deref()), (409, Some(code)));
    assert_eq!(told.get("retry-after"), Some("7"));
    assert_eq!(begun.count(), 1);
}
