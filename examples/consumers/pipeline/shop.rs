//! The shop takes orders by HTTP. An order, the message about it and the answer to its request are one transaction.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use idempotent_core::backends::{PostgresStore, transact};
use idempotent_core::http::IdempotencyKey;
use idempotent_core::outbox::{self, OutboxError};
use idempotent_core::{Idempotency, idempotent};
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres, Transaction};
use tokio::net::TcpListener;

use crate::Failure;
use crate::process::told_to_stop;

pub(crate) const TABLES: &str =
    "CREATE TABLE orders (number bigserial PRIMARY KEY, customer text, reference int)";

#[derive(Clone)]
struct App {
    engine: Idempotency,
    pool: PgPool,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct NewOrder {
    /// The customer's own number.
    pub(crate) reference: u32,
}

#[derive(Deserialize, Serialize)]
pub(crate) struct Receipt {
    pub(crate) number: i64,
}

/// What the message says.
#[derive(Deserialize, Serialize)]
pub(crate) struct OrderPlaced {
    pub(crate) number: i64,
}

/// Serves until it is told to stop. Its first line of output is its address.
pub(crate) async fn serve(database: &str) -> Result<(), Failure> {
    let pool = PgPool::connect(database).await?;
    let engine = Idempotency::new(PostgresStore::connect(pool.clone()).await?);
    let router = Router::new()
        .route("/customers/{customer}/orders", post(post_order))
        .with_state(App { engine, pool });
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?);
    axum::serve(listener, router).with_graceful_shutdown(told_to_stop()).await?;
    Ok(())
}

/// Who the customer is would be the business of an authentication.
async fn post_order(
    State(app): State<App>,
    Path(customer): Path<String>,
    key: IdempotencyKey,
    Json(order): Json<NewOrder>,
) -> Result<(StatusCode, Json<Receipt>), OrderError> {
    let receipt = transact(&app.pool, async |mut tx| {
        place_order(&mut tx, &app.engine, &customer, &key, &order).await
    });
    Ok((StatusCode::CREATED, Json(receipt.await?)))
}

/// A request that comes again gets the receipt of the first one. While that one is under way, it waits for it.
#[idempotent(
    key = key,
    name = "shop.place-order",
    scope = customer,
    fingerprint = order,
    engine = engine,
    tx = tx,
    guarantee = exactly_once,
    wait = "2s"
)]
async fn place_order(
    tx: &mut Transaction<'_, Postgres>,
    engine: &Idempotency,
    customer: &str,
    key: &IdempotencyKey,
    order: &NewOrder,
) -> Result<Receipt, OrderError> {
    let insert = "INSERT INTO orders (customer, reference) VALUES ($1, $2) RETURNING number";
    let insert = sqlx::query_scalar(insert).bind(customer).bind(i64::from(order.reference));
    let number = insert.fetch_one(&mut **tx).await?;
    let placed = serde_json::json!(OrderPlaced { number }).to_string();
    // The messages of a customer are published in the order of these transactions.
    outbox::publish(tx, "orders.placed", customer, &placed).await?;
    Ok(Receipt { number })
}

#[derive(Debug, thiserror::Error)]
enum OrderError {
    #[error(transparent)]
    Refused(#[from] idempotent_core::Error),
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
    #[error("the message was not written down")]
    Outbox(#[from] OutboxError),
}

impl IntoResponse for OrderError {
    fn into_response(self) -> Response {
        match self {
            Self::Refused(error) => error.into_response(),
            // Nobody knows whether it was committed. Whoever asks again, with the same key, finds out.
            Self::Database(_) | Self::Outbox(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        }
    }
}
