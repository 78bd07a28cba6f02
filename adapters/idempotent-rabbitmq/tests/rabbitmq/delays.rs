//! Which delay queues are waited for, and who else does not wait.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::consumer::{Delivery, Needs, ParkReason, Source, Verdict};
use idempotent_rabbitmq::RabbitMqSource;
use idempotent_servers::{Server, require};

use crate::broker::{Brokered, QUORUM, next};
use crate::effects::secs;
use crate::frozen::Frozen;

/// For how long a source leaves a delay queue empty that it has declared.
const YOUNG: Duration = secs(4);

fn after_minutes(minutes: u64) -> Verdict {
    Verdict::Retry { after: secs(60 * minutes) }
}

/// The next of new messages.
async fn published(brokered: &Brokered, source: &mut RabbitMqSource) -> Delivery {
    brokered.publish("order-7", "tea").await;
    next(source).await
}

/// Until a queue has the copy: its broker may take its time.
async fn settle(delivery: &Delivery, verdict: &Verdict) {
    while delivery.settle(verdict).await.is_err() {}
}

#[tokio::test]
async fn a_worker_does_not_wait_for_a_delay_queue_that_another_one_has_declared() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let mut time = Frozen::start();
    let mut former = brokered.started().await;
    let delivery = published(&brokered, &mut former).await;
    time.thaw_for(settle(&delivery, &after_minutes(8))).await;
    former.stop().await.unwrap();
    let mut source = brokered.started().await;
    time.pass(YOUNG).await;
    let delivery = published(&brokered, &mut source).await;
    settle(&delivery, &after_minutes(8)).await;
    time.has_stood_still();
}

#[tokio::test]
async fn a_delay_queue_that_is_deleted_makes_the_copies_for_others_wait_no_more_than_before() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let mut time = Frozen::start();
    let mut source = brokered.started().await;
    for minutes in [8, 16] {
        let delivery = published(&brokered, &mut source).await;
        time.thaw_for(settle(&delivery, &after_minutes(minutes))).await;
    }
    brokered.delete(&format!("{}.delay.1024000ms", brokered.queue)).await;
    let delivery = published(&brokered, &mut source).await;
    time.thaw_for(settle(&delivery, &after_minutes(16))).await;
    let delivery = published(&brokered, &mut source).await;
    settle(&delivery, &after_minutes(8)).await;
    time.has_stood_still();
}

#[tokio::test]
async fn dead_letters_do_not_wait_behind_copies_for_young_delay_queues() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let time = Frozen::start();
    // Room for eight copies.
    let url = format!("{}?channel_max=16", brokered.server.url());
    let source = RabbitMqSource::new(url, brokered.queue.as_str()).dead_letters(brokered.dead());
    let mut source = source.deadline(secs(60));
    source.start(&Needs::of("shop.ship").concurrency(16)).await.unwrap();
    let mut waiting = Vec::new();
    for minutes in (0..8).map(|doublings| 8 << doublings) {
        let delivery = Arc::new(published(&brokered, &mut source).await);
        let settling = Arc::clone(&delivery);
        let task = tokio::spawn(async move { settle(&settling, &after_minutes(minutes)).await });
        waiting.push((task, delivery));
    }
    for delay in (0..8).map(|doublings| 512_000 << doublings) {
        brokered.until_there(&format!("{}.delay.{delay}ms", brokered.queue)).await;
    }
    let parked = published(&brokered, &mut source).await;
    settle(&parked, &Verdict::parked(ParkReason::Permanent, "")).await;
    time.has_stood_still();
    assert!(waiting.iter().all(|(task, _)| !task.is_finished()));
}

#[tokio::test]
async fn a_source_that_stops_gives_back_what_would_wait_for_a_young_delay_queue() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let time = Frozen::start();
    let mut source = brokered.started().await;
    let deliveries =
        [published(&brokered, &mut source).await, published(&brokered, &mut source).await];
    let [before, after] = &deliveries;
    let stopping = async {
        brokered.until_there(&format!("{}.delay.512000ms", brokered.queue)).await;
        source.stop().await.unwrap();
        settle(after, &after_minutes(16)).await;
    };
    let later = after_minutes(8);
    tokio::join!(settle(before, &later), stopping);
    time.has_stood_still();
    let mut other = brokered.source();
    other.start(&Needs::of("shop.ship").concurrency(2)).await.unwrap();
    for _ in 0..2 {
        next(&mut other).await.settle(&Verdict::Completed).await.unwrap();
    }
    time.has_stood_still();
}
