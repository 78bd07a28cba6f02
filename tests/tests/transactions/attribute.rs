//! Functions under `#[idempotent(…, tx = …, guarantee = exactly_once)]`: whatever they are, and
//! wherever their futures are sent.

use std::future::ready;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::{Request, StatusCode};
use axum::routing::post;
use idempotent_core::backends::retry_transaction;
use idempotent_core::{Idempotency, idempotent};
use idempotent_servers::{PostgresVersion, Server, require};
use sqlx::{PgConnection, Postgres, Transaction};
use tower::ServiceExt;

use crate::setup::{CHARGE, Level, Shop, ShopError, effect};

async fn shop() -> Shop {
    Shop::open(PostgresVersion::Distribution, Level::ReadCommitted).await
}

type Tx<'t> = Transaction<'t, Postgres>;

/// Borrows much, returns early, and names its transaction as it likes.
#[idempotent(key = "{key}:{twice}", engine = engine, tx = unit, guarantee = exactly_once)]
async fn charge(
    engine: &Idempotency,
    unit: &mut Tx<'_>,
    key: &str,
    twice: bool,
) -> Result<i64, ShopError> {
    if twice {
        effect(unit, key).await?;
        return effect(unit, key).await;
    }
    effect(unit, key).await
}

#[idempotent(key = order.0, engine = order.1, tx = tx, guarantee = exactly_once)]
async fn consume(
    mut order: (String, Idempotency),
    tx: &mut PgConnection,
) -> Result<i64, ShopError> {
    order.0.push('!');
    effect(&mut *tx, &order.0).await?;
    let run = effect(tx, &order.0).await?;
    drop(order);
    Ok(run)
}

#[idempotent(key = 1, singleton, engine = engine, tx = tx, guarantee = exactly_once)]
async fn untouched(engine: &Idempotency, tx: &mut PgConnection) -> Result<String, ShopError> {
    let _ = tx;
    Ok("fixed".to_owned())
}

#[idempotent(key = key, name = "generic", engine = engine, tx = tx, guarantee = exactly_once)]
async fn generic<T>(
    engine: &Idempotency,
    tx: &mut T,
    key: impl AsRef<str> + Copy + idempotent_core::Key,
) -> Result<i64, ShopError>
where
    T: idempotent_core::store::Transaction + AsMut<PgConnection>,
{
    effect(tx.as_mut(), key.as_ref()).await
}

#[tokio::test]
async fn annotated_functions_take_part_in_transactions() {
    require!(Server::Postgres);
    let shop = shop().await;
    for _ in 0..2 {
        let mut tx = shop.begin().await;
        assert_eq!(charge(&shop.engine, &mut tx, "k", true).await.unwrap(), 2);
        let order = ("k".to_owned(), shop.engine.clone());
        assert_eq!(consume(order, &mut tx).await.unwrap(), 4);
        assert_eq!(untouched(&shop.engine, &mut tx).await.unwrap(), "fixed");
        assert_eq!(generic(&shop.engine, &mut *tx, "k").await.unwrap(), 5);
        tx.commit().await.unwrap();
    }
    assert_eq!((shop.effects().await, shop.records().await), (5, 4));
}

#[async_trait]
trait Gateway: Send + Sync {
    async fn charge(&self, tx: &mut Tx<'_>, key: &str) -> Result<i64, ShopError>;
    async fn charge_by_default(&self, tx: &mut PgConnection, key: String)
    -> Result<i64, ShopError>;
}

#[async_trait]
impl Gateway for Shop {
    #[idempotent(key = key, name = "gateway.charge", engine = self.engine, tx = tx, guarantee = exactly_once)]
    async fn charge(&self, tx: &mut Tx<'_>, key: &str) -> Result<i64, ShopError> {
        effect(tx, key).await
    }

    #[idempotent(key = key, name = "gateway.owned", engine = self.engine, tx = tx, guarantee = exactly_once)]
    async fn charge_by_default(
        &self,
        tx: &mut PgConnection,
        key: String,
    ) -> Result<i64, ShopError> {
        let run = effect(tx, &key).await;
        ready(()).await;
        run
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn their_futures_may_be_spawned_also_behind_traits() {
    require!(Server::Postgres);
    let shop = shop().await;
    let gateway: Arc<dyn Gateway> = Arc::new(shop.clone());
    for _ in 0..2 {
        let (shop, gateway) = (shop.clone(), gateway.clone());
        let task = tokio::spawn(async move {
            let mut tx = shop.begin().await;
            let one = charge(&shop.engine, &mut tx, "k", false).await?;
            let two = gateway.charge(&mut tx, "k").await?;
            let three = gateway.charge_by_default(&mut tx, "k".to_owned()).await?;
            let four = shop.charge(&mut tx, CHARGE, "k").await?;
            tx.commit().await?;
            Ok::<_, ShopError>((one, two, three, four))
        });
        assert_eq!(task.await.unwrap().unwrap(), (1, 2, 3, 4));
    }
}

async fn on_post(State(shop): State<Shop>, Path(key): Path<String>) -> Result<String, StatusCode> {
    let charged = retry_transaction(&shop.pool, async |mut tx| {
        let charged = charge(&shop.engine, &mut tx, &key, false).await;
        (tx, charged)
    });
    match charged.await {
        Ok(run) => Ok(run.to_string()),
        Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

async fn on_post_by_hand(
    State(shop): State<Shop>,
    Path(key): Path<String>,
) -> Result<String, StatusCode> {
    let mut tx = shop.begin().await;
    let run = charge(&shop.engine, &mut tx, &key, false).await;
    let run = run.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    tx.commit().await.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(run.to_string())
}

#[tokio::test]
async fn axum_takes_handlers_that_call_them() {
    require!(Server::Postgres);
    let shop = shop().await;
    let router = Router::new()
        .route("/orders/{key}", post(on_post))
        .route("/by-hand/{key}", post(on_post_by_hand))
        .with_state(shop.clone());
    for path in ["/orders/7", "/by-hand/7", "/orders/7"] {
        let request = Request::post(path).body(Body::empty()).unwrap();
        let response = router.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK, "{path}");
    }
    assert_eq!(shop.effects().await, 1);
}
