//! Members that come and go while messages are in hand.

use idempotent_core::consumer::{Consumer, Needs, Source, Verdict};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::cluster::{Cluster, Topics, next, start};
use crate::effects::{Effects, Running, attempts, engine, millis, secs, until};

const PARTITIONS: i32 = 4;
const EACH: usize = 75;

fn both_protocols(partitions: i32) -> [Topics; 2] {
    let eager = Topics::with_partitions(partitions);
    [eager, Topics::with_partitions(partitions).cooperative()]
}

/// A handler that takes its time, and counts when it has ended.
fn slow(effects: &Effects, engine: &idempotent_core::Idempotency) -> Consumer {
    let effects = effects.clone();
    Consumer::builder("shop.ship", engine).concurrency(4).attempts(attempts(3)).handler(
        move |payload: String| {
            let effects = effects.clone();
            async move {
                tokio::time::sleep(millis(100)).await;
                effects.add(&payload);
                Ok::<_, String>(())
            }
        },
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn two_rebalances_in_the_middle_of_a_batch_lose_nothing_and_run_nothing_twice() {
    let mut running = JoinSet::new();
    for topics in both_protocols(PARTITIONS) {
        running.spawn(async move {
            for number in 0..EACH {
                for partition in 0..PARTITIONS {
                    topics.publish(partition, None, &format!("order-{partition}-{number}")).await;
                }
            }
            // Their store is shared.
            let (effects, engine) = (Effects::default(), engine());
            let consumer = slow(&effects, &engine);
            let first = Running::start(&consumer, topics.source());
            until(|| effects.all().len() >= 20).await;
            let second = Running::start(&consumer, topics.source());
            until(|| effects.all().len() >= 80).await;
            first.stop().await;
            let third = Running::start(&consumer, topics.source());
            let all = usize::try_from(PARTITIONS).unwrap() * EACH;
            until(|| effects.all().len() == all).await;
            let each = i64::try_from(EACH).unwrap();
            topics.until_committed(&[Some(each); 4]).await;
            second.stop().await;
            third.stop().await;
            assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
            assert_eq!(topics.committed().await, [Some(each); 4]);
        });
    }
    running.join_all().await;
}

/// With the cooperative protocol: the mock cluster refuses commits while members join, which is when eager ones give up
/// their partitions.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_hand_may_finish_before_its_partition_is_given_up_and_is_committed() {
    // A mock cluster turns down who asks for its assignment later than the leader has given it out. With answers that take
    // their time the leader is always later, since it asks for the partitions before.
    let cluster = Cluster::start();
    cluster.with(|mock| mock.broker_round_trip_time(-1, millis(400)).unwrap());
    let topics = Topics::on(cluster, 2).cooperative();
    // Commits this one, and then only what it has to.
    topics.publish(0, None, "early").await;
    // Time for the members to join again, which is a second less than that.
    let mut client = topics.client();
    client.set("session.timeout.ms", "7000");
    let mut first = start(topics.source_of(client.clone()).commit_every(secs(60))).await;
    next(&mut first).await.settle(&Verdict::Completed).await.unwrap();
    topics.until_committed(&[Some(1), None]).await;
    for partition in 0..2 {
        // The second one waits for the first.
        topics.publish(partition, Some("key"), &format!("order-{partition}")).await;
        topics.publish(partition, Some("key"), &format!("later-{partition}")).await;
    }
    let in_hand = [next(&mut first).await, next(&mut first).await];
    let (mut second, ()) = tokio::join!(start(topics.source_of(client)), async {
        // One of the partitions is asked for by then.
        tokio::time::sleep(secs(10)).await;
        for delivery in &in_hand {
            delivery.settle(&Verdict::Completed).await.unwrap();
        }
    });
    let rest = [next(&mut first).await, next(&mut second).await];
    for delivery in &rest {
        let id = delivery.message().id();
        assert!(id.starts_with("later-"), "{id} came again");
        delivery.settle(&Verdict::Completed).await.unwrap();
    }
    for mut source in [first, second] {
        source.stop().await.unwrap();
    }
    assert_eq!(topics.committed().await, [Some(3), Some(2)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_that_is_lost_is_given_up_at_once_and_commits_nothing() {
    let topics = Topics::on(Cluster::start(), 1);
    topics.publish(0, None, "order-7").await;
    let mut source = topics.source().drain_within(secs(30));
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let in_hand = next(&mut source).await;
    topics.cluster.with(|mock| mock.broker_down(-1).unwrap());
    // Longer than the member's session.
    tokio::time::sleep(secs(5)).await;
    topics.cluster.with(|mock| mock.broker_up(-1).unwrap());
    let up = Instant::now();
    let again = next(&mut source).await;
    // It was not waited for what is in hand, for which there are thirty seconds otherwise.
    assert!(up.elapsed() < secs(25), "it took {:?}", up.elapsed());
    let error = in_hand.settle(&Verdict::Completed).await.unwrap_err();
    assert!(error.is_taken_back(), "{error}");
    tokio::time::sleep(secs(1)).await;
    assert_eq!(topics.committed().await, [None]);
    again.settle(&Verdict::Completed).await.unwrap();
    topics.until_committed(&[Some(1)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_finish_in_time_commits_nothing_though_its_partition_comes_back() {
    let topics = Topics::with_partitions(2);
    for partition in 0..2 {
        topics.publish(partition, None, &format!("order-{partition}")).await;
    }
    let mut first = topics.source().drain_within(millis(200));
    first.start(&Needs::of("shop.ship")).await.unwrap();
    let in_hand = [next(&mut first).await, next(&mut first).await];
    let mut second = topics.started().await;
    // All are revoked by an eager rebalance, and one comes back to the first member.
    let again = [next(&mut first).await, next(&mut second).await];
    for delivery in &in_hand {
        for verdict in [
            Verdict::Completed,
            Verdict::Retry { after: millis(1) },
            Verdict::parked(idempotent_core::consumer::ParkReason::Permanent, ""),
        ] {
            let error = delivery.settle(&verdict).await.unwrap_err();
            assert!(error.is_taken_back(), "{error}");
        }
    }
    tokio::time::sleep(secs(1)).await;
    assert_eq!(topics.committed().await, [None, None]);
    assert!(topics.dead_letters().await.is_empty());
    for delivery in &again {
        delivery.settle(&Verdict::Completed).await.unwrap();
    }
    topics.until_committed(&[Some(1), Some(1)]).await;
}
