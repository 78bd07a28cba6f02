//! A health endpoint on axum: whether the engine can serve calls, and why not.
//!
//! Run it with `cargo run -p examples-observability --bin health`. It asks itself before the disk of its store, a
//! file of `SQLite`, is there, and until it serves, and exits.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use http_body_util::BodyExt;
use idempotent_core::Idempotency;
use idempotent_core::backends::SqliteStore;
use tower::ServiceExt;

/// For operators, and for what restarts or unloads the process: the text names the server or the file, so it must not
/// be reachable for clients.
async fn health(State(engine): State<Idempotency>) -> (StatusCode, String) {
    let health = engine.check().await;
    let status = match health.is_serving() {
        // Perhaps degraded, which is no reason to send nobody here: the text says what.
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, health.to_string())
}

/// Asks as a load balancer does, and prints the answer.
async fn ask(app: &Router) -> Result<StatusCode, Box<dyn Error>> {
    let response = app.clone().oneshot(Request::get("/health").body(Body::empty())?).await?;
    let status = response.status();
    let text = response.into_body().collect().await?.to_bytes();
    println!("{status}: {}", String::from_utf8_lossy(&text));
    Ok(status)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::TempDir::new()?;
    let disk = folder.path().join("disk");
    // The service starts before its disk is mounted.
    let store = SqliteStore::builder(disk.join("calls.db")).connect_lazy()?;
    // A health check must not hang: this is how long it takes at most.
    let engine = Idempotency::builder(store).store_timeout(Duration::from_secs(2)).build();
    let app = Router::new().route("/health", get(health)).with_state(engine);

    assert_eq!(ask(&app).await?, StatusCode::SERVICE_UNAVAILABLE);
    std::fs::create_dir(&disk)?;
    while ask(&app).await? != StatusCode::OK {
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    Ok(())
}
