//! A shop on axum behind the layer: authentication outside of it, a timeout inside, and a process
//! that ends without losing an order.
//!
//! Run it with `cargo run -p examples-http --bin axum_layer`. It sends itself some requests and exits;
//! with `cargo run -p examples-http --bin axum_layer -- serve` it serves on 127.0.0.1:3000 until Ctrl-C:
//!
//! ```bash
//! curl -i -H 'Authorization: Bearer alice.1' -H 'Idempotency-Key: order-1' \
//!      -H 'Content-Type: application/json' -d '{"item":"tea"}' 127.0.0.1:3000/orders
//! ```

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::http::{IdempotencyLayer, RequestFingerprint};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower_http::timeout::TimeoutLayer;

#[derive(Deserialize)]
struct Order {
    item: String,
}

#[derive(Serialize)]
struct Receipt {
    number: u32,
    item: String,
}

/// Whose request it is. A refreshed token leaves it as it is.
#[derive(Clone)]
struct Account(String);

type Orders = Arc<AtomicU32>;

/// The effect that must happen once per key. An item that is slow to get takes longer than the
/// timeout lets it.
async fn order(State(orders): State<Orders>, Json(order): Json<Order>) -> impl IntoResponse {
    let number = orders.fetch_add(1, Ordering::SeqCst) + 1;
    if order.item == "truffles" {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    let location = [("location", format!("/orders/{number}"))];
    (StatusCode::CREATED, location, Json(Receipt { number, item: order.item }))
}

/// Stands for real authentication: `Bearer account.anything`.
async fn authenticate(mut request: Request, next: Next) -> Response {
    let token = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    let token = token.and_then(|token| token.strip_prefix("Bearer "));
    let account = token.and_then(|token| token.split_once('.')).map(|(account, _)| account);
    let Some(account) = account.map(str::to_owned) else {
        return StatusCode::UNAUTHORIZED.into_response();
    };
    request.extensions_mut().insert(Account(account));
    next.run(request).await
}

fn layer() -> IdempotencyLayer {
    IdempotencyLayer::at_most_once(Idempotency::new(MemoryStore::new()), "shop")
        .scope(|parts: &Parts| parts.extensions.get::<Account>().map(|account| account.0.clone()))
        .required()
        .wait(Duration::from_secs(5))
        .fingerprint(RequestFingerprint::new().exclude("/sent_at"))
        .documentation("https://shop.example/docs/idempotency")
}

/// Each `layer` stands outside of those above it: timeout, idempotency, authentication.
fn router(orders: Orders, layer: IdempotencyLayer) -> Router {
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, Duration::from_millis(500));
    Router::new()
        .route("/orders", post(order))
        .with_state(orders)
        .layer(timeout)
        .layer(layer)
        .layer(from_fn(authenticate))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let stays = std::env::args().any(|argument| argument == "serve");
    let listener = TcpListener::bind(if stays { "127.0.0.1:3000" } else { "127.0.0.1:0" }).await?;
    let address = listener.local_addr()?;
    let (orders, layer) = (Orders::default(), layer());
    let end = async move {
        if stays {
            println!("serving on {address}, until Ctrl-C");
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        } else if let Err(error) = client(address).await {
            eprintln!("the client failed: {error}");
        }
    };
    axum::serve(listener, router(Arc::clone(&orders), layer.clone()))
        .with_graceful_shutdown(end)
        .await?;
    // Handlers whose clients are gone may still run.
    if tokio::time::timeout(Duration::from_secs(30), layer.drain()).await.is_err() {
        eprintln!("some handlers still run");
    }
    println!("\n{} orders took effect", orders.load(Ordering::SeqCst));
    Ok(())
}

/// What clients do.
async fn client(address: SocketAddr) -> std::io::Result<()> {
    for (what, token, key, body) in [
        ("an order", "alice.1", "order-1", r#"{"item":"tea","sent_at":1}"#),
        (
            "sent again, with a refreshed token",
            "alice.2",
            "order-1",
            r#"{"sent_at":2,"item":"tea"}"#,
        ),
        ("the same key of another account", "bob.1", "order-1", r#"{"item":"tea"}"#),
        ("the same key for something else", "alice.2", "order-1", r#"{"item":"coffee"}"#),
        ("no key", "alice.2", "", r#"{"item":"tea"}"#),
        ("nobody", "", "order-1", r#"{"item":"tea"}"#),
        ("an order that the timeout cuts off", "alice.2", "order-2", r#"{"item":"truffles"}"#),
        ("sent again: nobody knows yet", "alice.2", "order-2", r#"{"item":"truffles"}"#),
    ] {
        println!("{what}\n    {}", send(address, token, key, body).await?);
    }
    Ok(())
}

/// Sends one order, and says in a line what came back.
async fn send(address: SocketAddr, token: &str, key: &str, body: &str) -> std::io::Result<String> {
    let key =
        if key.is_empty() { String::new() } else { format!("Idempotency-Key: \"{key}\"\r\n") };
    let request = format!(
        "POST /orders HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n{key}Content-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut socket = TcpStream::connect(address).await?;
    socket.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    let replayed = if head.contains("idempotency-replayed: true") { " (replayed)" } else { "" };
    Ok(format!("{status}{replayed} {body}"))
}
