//! Stopping while it is noted that a handler within a transaction is about to run.

use std::num::NonZeroUsize;

use idempotent_core::Idempotency;
use idempotent_core::backends::SqliteStore;
use idempotent_core::consumer::{Consumer, DeliveryOutcome, InboxTransaction, Needs, Source as _};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_tests::secs;
use sqlx::Sqlite;

use crate::effects::{Effects, Ends, attempts};
use crate::inbox::sqlite_shop;

#[tokio::test]
async fn an_attempt_that_was_being_noted_when_its_consumer_stopped_does_not_count() {
    let shop = sqlite_shop().await;
    let store = SqliteStore::connect(shop.pool.clone()).await.unwrap();
    // The store has noted the attempt, and its answer is lost.
    let store = FaultyStore::new(store).on(StoreMethod::Complete, When::Nth(1), Fault::HangAfter);
    let engine = Idempotency::builder(store.clone()).store_timeout(secs(1)).build();
    let (broker, effects, ends) = (TestBroker::new(), Effects::default(), Ends::default());
    let ran = effects.clone();
    let builder = ends.watch(Consumer::builder("shop.ship", &engine)).attempts(attempts(1));
    let consumer = builder.within(shop.pool.clone()).handler(
        move |id: String, _tx: InboxTransaction<Sqlite>| {
            ran.add(&id);
            async { Ok::<_, sqlx::Error>(()) }
        },
    );
    broker.publish("7", "7");
    // A worker that dies with its message, so that the next delivery is the second one.
    let mut source = broker.source();
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let lost = source.next(NonZeroUsize::MIN).await.unwrap();
    broker.crash_consumers();

    let noted = store.until_answered(StoreMethod::Complete, 1);
    consumer.run(broker.source(), noted).await.unwrap();
    assert_eq!(ends.outcomes(), [DeliveryOutcome::GivenBack]);
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert_eq!((effects.of("7"), broker.completed().len()), (1, 1), "{:?}", ends.all());
    drop((source, lost));
}
