//! The same on `SQLite`, where each call of a group has a savepoint of its own.

use std::collections::BTreeMap;

use idempotent_core::consumer::{Consumer, DeliveryOutcome, InboxTransaction};
use idempotent_core::testing::sources::TestBroker;
use idempotent_tests::secs;
use sqlx::{Sqlite, SqlitePool};

use crate::effects::{Ends, Running, attempts};
use crate::gate::Gate;
use crate::inbox::sqlite_shop;

#[tokio::test]
async fn a_savepoint_that_one_handler_leaves_lets_no_other_undo_what_is_recorded() {
    let (shop, broker, ends) = (sqlite_shop().await, TestBroker::new(), Ends::default());
    let gate = Gate::new();
    let own_gate = gate.clone();
    let builder = Consumer::builder("shop.ship", &shop.engine).attempts(attempts(2));
    let builder = ends.watch(gate.watch(builder)).concurrency(64).within(shop.pool.clone());
    let consumer =
        builder.group(50).handler(move |id: String, mut tx: InboxTransaction<Sqlite>| {
            let gate = own_gate.clone();
            async move {
                let effect = sqlx::query("INSERT INTO effects VALUES ($1)").bind(&id);
                effect.execute(&mut **tx).await?;
                gate.pass(&id).await;
                let text = match id.as_str() {
                    "leaves" => "SAVEPOINT leftover",
                    "undoes" => "ROLLBACK TO SAVEPOINT leftover",
                    _ => "SELECT 1",
                };
                sqlx::raw_sql(text).execute(&mut **tx).await.map(drop)
            }
        });
    gate.publish_behind::<SqlitePool>(&broker, &["leaves", "2", "undoes", "4"]).await;
    let running = Running::start(&consumer, broker.source());
    gate.open::<SqlitePool>(4).await;
    tokio::time::timeout(secs(60), broker.until_settled(5)).await.expect("each is settled");
    running.stop().await.unwrap();
    let all = "SELECT id, count(*) FROM effects WHERE id NOT LIKE 'gate%' GROUP BY id";
    let all: Vec<(String, i64)> = sqlx::query_as(all).fetch_all(&shop.pool).await.unwrap();
    let expected = ["leaves", "2", "4"].map(|id| (id.to_owned(), 1));
    assert_eq!(BTreeMap::from_iter(all), BTreeMap::from(expected));
    assert_eq!(broker.parked()[0].message.id(), "undoes");
    assert_eq!(ends.count(DeliveryOutcome::Executed), 4, "{:?}", ends.all());
}
