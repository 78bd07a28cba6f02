//! The shop: its page, its one handler that must not run twice, and a witness around it that writes
//! the log. The handler and its witness know nothing of each other's keys: all that is idempotent is
//! in the attribute.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use futures_util::stream::{self, StreamExt};
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::IdempotencyKey;
use idempotent_core::idempotent;
use serde::{Deserialize, Serialize};

use crate::log::{Log, What};

/// One tin of tea.
const CENTS: u32 = 24_00;

/// A request that says so loses its answer on the way.
const LOSE_ANSWER: &str = "x-lose-answer";

/// Clones are the same shop.
#[derive(Clone)]
pub(crate) struct Shop {
    engine: Idempotency,
    log: Log,
    orders: Arc<Mutex<Vec<Order>>>,
    /// How long the bank takes.
    pace: Duration,
}

#[derive(Deserialize, Serialize)]
struct Cart {
    quantity: u32,
}

/// An order that was placed, and the receipt for it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Order {
    pub(crate) number: usize,
    pub(crate) quantity: u32,
    pub(crate) cents: u32,
    /// The request that it was placed for, also in the receipt of a later one.
    pub(crate) request: usize,
}

/// Which request a handler runs for.
#[derive(Clone, Copy)]
struct Number(usize);

/// A duplicate of a running payment waits for its receipt, another cart under the same key is
/// refused, and a payment whose page is closed goes on. Nobody logs in here, so all share one scope, in which a
/// key has to be a random one, such as the page's UUID.
#[idempotent(
    key = key,
    global_scope,
    name = "checkout::pay",
    fingerprint = cart,
    engine = shop.engine,
    wait = "20s",
    detach,
    response
)]
async fn pay(
    State(shop): State<Shop>,
    Extension(Number(request)): Extension<Number>,
    key: IdempotencyKey,
    Json(cart): Json<Cart>,
) -> Result<impl IntoResponse, (StatusCode, &'static str)> {
    if !(1..=9).contains(&cart.quantity) {
        return Err((StatusCode::BAD_REQUEST, "one to nine tins, please"));
    }
    shop.log.write(request, What::Charging);
    tokio::time::sleep(shop.pace).await;
    let order = shop.place(cart.quantity, request);
    shop.log.write(request, What::Ordered { order: order.number });
    let location = [(header::LOCATION, format!("/orders/{}", order.number))];
    Ok((StatusCode::CREATED, location, Json(order)))
}

impl Shop {
    pub(crate) fn new(pace: Duration) -> Self {
        let engine = Idempotency::new(MemoryStore::new());
        Self { engine, log: Log::new(), orders: Arc::default(), pace }
    }

    pub(crate) fn router(&self) -> Router {
        let witness = from_fn_with_state(self.clone(), witness);
        Router::new()
            .route("/pay", post(pay).layer(witness))
            .route("/", get(|| async { Html(include_str!("page.html")) }))
            .route("/log", get(follow))
            .with_state(self.clone())
    }

    /// The orders so far.
    pub(crate) fn orders(&self) -> Vec<Order> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn place(&self, quantity: u32, request: usize) -> Order {
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        let number = orders.len() + 1;
        let order = Order { number, quantity, cents: quantity * CENTS, request };
        orders.push(order.clone());
        order
    }
}

async fn follow(State(shop): State<Shop>, headers: HeaderMap) -> impl IntoResponse {
    let seen = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    Sse::new(shop.log.follow(seen.unwrap_or_default())).keep_alive(KeepAlive::default())
}

/// Writes down what a request asks for and what becomes of it, and loses its answer if it wants that.
async fn witness(State(shop): State<Shop>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, 1024).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let key = IdempotencyKey::from_headers(&parts.headers, &IdempotencyKey::HEADER);
    let key = key.ok().flatten().map_or_else(String::new, |key| key.as_str().to_owned());
    let quantity = Json::<Cart>::from_bytes(&body).map_or(0, |Json(cart)| cart.quantity);
    let number = shop.log.begin(What::Asked { key, quantity });
    parts.extensions.insert(Number(number));
    let loses = parts.headers.contains_key(LOSE_ANSWER);

    let waiting = Waiting { log: &shop.log, request: number, answered: false };
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    waiting.answered(&response);
    if !loses {
        return response;
    }
    shop.log.write(number, What::Lost);
    cut_off(response)
}

/// Somebody who waits for an answer, and is gone if this is dropped before there is one.
struct Waiting<'a> {
    log: &'a Log,
    request: usize,
    answered: bool,
}

impl Waiting<'_> {
    fn answered(mut self, response: &Response) {
        let status = response.status().as_u16();
        let replayed = response.headers().contains_key("idempotency-replayed");
        self.log.write(self.request, What::Answered { status, replayed });
        self.answered = true;
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if !self.answered {
            self.log.write(self.request, What::Gone);
        }
    }
}

/// The response's head and the first byte of its body, and then the connection breaks.
fn cut_off(response: Response) -> Response {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(header::CONTENT_LENGTH);
    let begins = stream::iter([Ok(Bytes::from_static(b"{"))]);
    let breaks = stream::once(async {
        // Lets the head leave before the connection does.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Response::from_parts(parts, Body::from_stream(begins.chain(breaks)))
}
