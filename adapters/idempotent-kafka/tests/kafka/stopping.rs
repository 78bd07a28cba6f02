//! A source that stops.

use std::sync::Arc;

use idempotent_core::consumer::{Consumer, Needs, Source, Verdict};
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::cluster::{Cluster, Topics, next};
use crate::effects::{Effects, Running, counting, engine, millis, secs, until};

#[tokio::test(flavor = "multi_thread")]
async fn what_ran_is_committed_when_a_consumer_has_stopped_and_what_has_not_started_is_left_to_the_next()
 {
    let topics = Topics::with_partitions(1);
    for number in 0..10 {
        topics.publish(0, None, &format!("order-{number}")).await;
    }
    let (effects, engine) = (Effects::default(), engine());
    let (counted, gate) = (effects.clone(), Arc::new(Semaphore::new(0)));
    let opened = Arc::clone(&gate);
    let consumer =
        Consumer::builder("shop.ship", &engine).concurrency(2).handler(move |payload: String| {
            counted.add(&payload);
            let gate = Arc::clone(&gate);
            async move {
                gate.acquire().await.unwrap().forget();
                Ok::<_, String>(())
            }
        });
    // It would commit only in a minute.
    let running = Running::start(&consumer, topics.source().commit_every(secs(60)));
    until(|| effects.all().len() == 2).await;
    tokio::join!(running.stop(), async {
        // It has been told to stop by then.
        tokio::time::sleep(millis(500)).await;
        opened.add_permits(10);
    });
    assert_eq!(topics.committed().await, [Some(2)]);
    assert_eq!(effects.all().len(), 2);
    let running = Running::start(&counting(&engine, &effects), topics.source());
    until(|| effects.all().len() == 10).await;
    running.stop().await;
    assert_eq!(topics.committed().await, [Some(10)]);
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_that_stops_leaves_its_group_and_does_not_let_it_wait_for_its_session() {
    let topics = Topics::with_partitions(1);
    topics.publish(0, None, "order-7").await;
    let mut client = topics.client();
    client.set("session.timeout.ms", "10000");
    let mut stopping = topics.source_of(client.clone());
    stopping.start(&Needs::of("shop.ship")).await.unwrap();
    stopping.stop().await.unwrap();
    let start = Instant::now();
    let mut source = topics.source_of(client);
    source.start(&Needs::of("shop.ship")).await.unwrap();
    next(&mut source).await.settle(&Verdict::Completed).await.unwrap();
    // The mock cluster waits for a session less a second after each change, and one that was not left changes twice.
    assert!(start.elapsed() < secs(15), "it took {:?}", start.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_dropped_leaves_once_nothing_of_it_is_in_hand() {
    let topics = Topics::with_partitions(1);
    topics.publish(0, None, "order-7").await;
    topics.publish(0, None, "order-8").await;
    let mut source = topics.started().await;
    let in_hand = next(&mut source).await;
    drop(source);
    in_hand.settle(&Verdict::Completed).await.unwrap();
    assert_eq!(topics.committed().await, [Some(1)]);
    let mut other = topics.started().await;
    assert_eq!(next(&mut other).await.message().id(), "order-8");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_is_dropped_leaves_in_time_though_something_of_it_is_in_hand() {
    let topics = Topics::with_partitions(1);
    topics.publish(0, None, "order-7").await;
    let mut source = topics.source().drain_within(millis(500));
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let in_hand = next(&mut source).await;
    drop(source);
    // By itself: another member would make it give its partition up.
    tokio::time::sleep(secs(5)).await;
    let error = in_hand.settle(&Verdict::Completed).await.unwrap_err();
    assert!(error.is_taken_back(), "{error}");
    let mut other = topics.started().await;
    assert_eq!(next(&mut other).await.message().id(), "order-7");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_stops_waits_until_the_broker_has_confirmed_its_last_commit() {
    let topics = Topics::on(Cluster::start(), 1);
    topics.publish(0, None, "order-7").await;
    let mut source = topics.source().commit_every(secs(60));
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let in_hand = next(&mut source).await;
    source.stop().await.unwrap();
    topics.cluster.with(|mock| mock.broker_round_trip_time(-1, secs(1)).unwrap());
    let told = Instant::now();
    in_hand.settle(&Verdict::Completed).await.unwrap();
    assert!(told.elapsed() >= millis(900), "it took {:?}", told.elapsed());
    topics.cluster.with(|mock| mock.broker_round_trip_time(-1, millis(0)).unwrap());
    assert_eq!(topics.committed().await, [Some(1)]);
}

/// On a runtime with one thread nothing may be spawned and left to chance.
#[tokio::test]
async fn a_client_on_one_thread_has_committed_before_it_stops() {
    let topics = Topics::with_partitions(1);
    for number in 0..5 {
        topics.publish(0, None, &format!("order-{number}")).await;
    }
    let this = topics.clone();
    let handled = tokio::task::spawn_blocking(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (effects, engine) = (Effects::default(), engine());
            let done = effects.clone();
            let all = async move { until(|| done.all().len() == 5).await };
            let source = this.source().commit_every(secs(60));
            counting(&engine, &effects).run(source, all).await.unwrap();
            effects.all().len()
        })
    });
    assert_eq!(handled.await.unwrap(), 5);
    assert_eq!(topics.committed().await, [Some(5)]);
}
