//! Stores and brokers that are away.

use std::sync::Arc;

use idempotent_core::Idempotency;
use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{Consumer, DeliveryOutcome, Verdict};
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};

use crate::cluster::{Cluster, Topics};
use crate::effects::{Effects, Ends, Running, attempts, engine, millis, secs, until};

#[tokio::test(flavor = "multi_thread")]
async fn while_the_store_is_away_the_member_stays_in_its_group_and_goes_on_by_itself() {
    let topics = Topics::with_partitions(1);
    for number in 0..30 {
        topics.publish(0, None, &format!("order-{number}")).await;
    }
    let store = FaultyStore::new(MemoryStore::new());
    store.inject(StoreMethod::Reserve, When::Always, Fault::Fail);
    let (effects, ends) = (Effects::default(), Ends::default());
    let counted = effects.clone();
    let engine = Idempotency::new(store.clone());
    let builder = ends.watch(Consumer::builder("shop.ship", &engine).attempts(attempts(3)));
    let consumer = builder.handler(move |payload: String| {
        counted.add(&payload);
        async { Ok::<_, String>(()) }
    });
    // A client that is not polled for that long loses its partitions, and the first of these is in hand.
    let mut client = topics.client();
    client.set("max.poll.interval.ms", "6000").set("session.timeout.ms", "6000");
    let source = topics.source_of(client).drain_within(secs(1));
    let running = Running::start(&consumer, source);
    store.until_called(StoreMethod::Reserve, 1).await;
    tokio::time::sleep(secs(10)).await;
    assert!(effects.all().is_empty());
    store.heal();
    until(|| effects.all().len() == 30).await;
    topics.until_committed(&[Some(30)]).await;
    running.stop().await;
    // Had it lost them, those in hand would have come again.
    assert_eq!(ends.all(), vec![(DeliveryOutcome::Executed, Verdict::Completed); 30]);
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_away_is_waited_for_and_nothing_runs_twice() {
    let cluster = Cluster::start();
    let topics = Topics::on(Arc::clone(&cluster), 2);
    for number in 0..100 {
        topics.publish(number % 2, None, &format!("order-{number}")).await;
    }
    let effects = Effects::default();
    let counted = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine()).attempts(attempts(3)).handler(
        move |payload: String| {
            counted.add(&payload);
            async {
                tokio::time::sleep(millis(50)).await;
                Ok::<_, String>(())
            }
        },
    );
    let running = Running::start(&consumer, topics.source());
    until(|| effects.all().len() >= 20).await;
    cluster.with(|mock| mock.broker_down(-1).unwrap());
    // Longer than the member's session.
    tokio::time::sleep(secs(4)).await;
    cluster.with(|mock| mock.broker_up(-1).unwrap());
    until(|| effects.all().len() == 100).await;
    topics.until_committed(&[Some(50), Some(50)]).await;
    running.stop().await;
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
}

/// A handler may keep its runtime from everything else, and the member is in its group nevertheless.
#[tokio::test]
async fn a_handler_that_blocks_the_only_thread_does_not_cost_the_member_its_partitions() {
    let topics = Topics::with_partitions(1);
    topics.publish(0, None, "slow").await;
    topics.publish(0, None, "next").await;
    let mut client = topics.client();
    client.set("max.poll.interval.ms", "6000").set("session.timeout.ms", "6000");
    let source = topics.source_of(client).drain_within(secs(1));
    let (effects, ends) = (Effects::default(), Ends::default());
    let counted = effects.clone();
    let consumer = ends.watch(Consumer::builder("shop.ship", &engine())).concurrency(1).handler(
        move |payload: String| {
            if payload == "slow" {
                std::thread::sleep(secs(9));
            }
            counted.add(&payload);
            async { Ok::<_, String>(()) }
        },
    );
    let running = Running::start(&consumer, source);
    topics.until_committed(&[Some(2)]).await;
    running.stop().await;
    assert_eq!((effects.of("slow"), effects.of("next")), (1, 1));
    // Had it lost them, those in hand would have come again, and been replayed.
    assert_eq!(ends.all(), vec![(DeliveryOutcome::Executed, Verdict::Completed); 2]);
}
