//! How long a message keeps others from their turn, on a clock that only the test moves.

use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use idempotent_core::consumer::{Consumer, InboxPool, InboxTransaction};
use idempotent_core::testing::sources::TestBroker;
use idempotent_servers::{Server, require};
use idempotent_tests::{millis, secs};
use sqlx::{PgPool, Postgres};
use tokio::task::spawn_blocking;
use tokio::time::advance;

use crate::effects::{Effects, Running};
use crate::inbox::postgres_shop;

/// How long a group may run.
const LONGEST: Duration = secs(30);

/// Until this is dropped, the runtime does not move its paused clock by itself, although it waits for the database: it does
/// not while something blocks.
pub(crate) fn stop_the_clock() -> Sender<()> {
    let (held, released) = channel();
    drop(spawn_blocking(move || released.recv()));
    held
}

/// Looks for so long by the machine's clock.
pub(crate) async fn comes_true(within: Duration, is_true: impl Fn() -> bool) -> bool {
    let start = std::time::Instant::now();
    while !is_true() && start.elapsed() < within {
        spawn_blocking(|| std::thread::sleep(millis(5))).await.unwrap();
    }
    is_true()
}

#[tokio::test(start_paused = true)]
async fn a_message_by_itself_that_is_stuck_has_the_turn_no_longer_than_a_group_would() {
    require!(Server::Postgres);
    let _held = stop_the_clock();
    let (shop, broker) = (postgres_shop().await, TestBroker::with_deadline(secs(7_200)));
    let begun = Effects::default();
    let beginning = begun.clone();
    let consumer = Consumer::builder("shop.ship", &shop.engine).within(shop.pool.clone()).group(50);
    let consumer = consumer.handler(move |id: String, tx: InboxTransaction<Postgres>| {
        beginning.add(&id);
        async move {
            if id.starts_with("stuck") {
                std::future::pending::<()>().await;
            }
            drop(tx);
            Ok::<_, sqlx::Error>(())
        }
    });
    let running = Running::start(&consumer, broker.source());
    for number in 0..<PgPool as InboxPool>::GROUPS {
        let id = format!("stuck-{number}");
        broker.publish(id.as_str(), id.clone());
        assert!(comes_true(secs(60), || begun.of(&id) == 1).await, "{id} has not begun");
    }
    broker.publish("7", "7");
    advance(LONGEST - secs(1)).await;
    assert!(!comes_true(millis(200), || begun.of("7") == 1).await, "it has no turn yet");
    advance(secs(2)).await;
    assert!(comes_true(secs(60), || begun.of("7") == 1).await, "it has no turn");
    running.crash().await;
}
