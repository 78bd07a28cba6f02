//! Connections that recover by themselves, which a source does not want.

use std::num::NonZeroUsize;
use std::sync::Arc;

use idempotent_core::consumer::{Consumer, Needs, ParkReason, Source, Verdict};
use idempotent_rabbitmq::RabbitMqSource;
use idempotent_rabbitmq::lapin::options::{BasicAckOptions, BasicGetOptions};
use idempotent_rabbitmq::lapin::{Connection, ConnectionProperties};
use idempotent_servers::{Server, TcpProxy, require};
use tokio::sync::Semaphore;

use crate::broker::{Brokered, CLASSIC, next};
use crate::effects::{Effects, Running, attempts, engine, millis, secs, until};

fn recovering() -> ConnectionProperties {
    ConnectionProperties::default().enable_auto_recover()
}

/// The same, with pauses that are short and do not grow.
fn recovering_evenly() -> ConnectionProperties {
    recovering().configure_backoff(|backoff| {
        backoff.with_min_delay(millis(300)).with_max_delay(millis(300)).with_max_times(1_000)
    })
}

/// The URL of the broker behind a proxy.
fn url(proxy: &TcpProxy) -> String {
    format!("amqp://guest:guest@{}/%2f", proxy.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_from_before_a_recovery_is_dropped_and_says_so() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    brokered.publish("order-7", "tea").await;
    let proxy = TcpProxy::start(brokered.server.address()).await;
    let connection = Connection::connect(&url(&proxy), recovering()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    let queue = || brokered.queue.as_str().into();
    let got = channel.basic_get(queue(), BasicGetOptions::default()).await.unwrap().unwrap();
    proxy.cut();
    let again = async {
        loop {
            match channel.basic_get(queue(), BasicGetOptions::default()).await {
                Ok(Some(got)) => return got,
                _ => tokio::time::sleep(millis(20)).await,
            }
        }
    };
    let again = tokio::time::timeout(secs(60), again).await.expect("the channel recovers");
    assert!(!got.acker.ack(BasicAckOptions::default()).await.unwrap());
    assert!(got.acker.poisoned() && again.redelivered);
    assert!(again.acker.ack(BasicAckOptions::default()).await.unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_recovers_is_replaced_and_keeps_no_messages() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    for number in 0..8 {
        brokered.publish(&format!("order-{number}"), &number.to_string()).await;
    }
    let proxy = TcpProxy::start(brokered.server.address()).await;
    let (begun, effects, gate) =
        (Effects::default(), Effects::default(), Arc::new(Semaphore::new(0)));
    let (starting, counted, open) = (begun.clone(), effects.clone(), Arc::clone(&gate));
    let consumer = Consumer::builder("shop.ship", &engine())
        .concurrency(4)
        .attempts(attempts(3))
        .handler(move |payload: String| {
            starting.add(&payload);
            let (counted, open) = (counted.clone(), Arc::clone(&open));
            async move {
                drop(open.acquire().await);
                counted.add(&payload);
                Ok::<_, String>(())
            }
        });
    let through = url(&proxy);
    let source = RabbitMqSource::connecting(
        move || {
            let through = through.clone();
            async move { Connection::connect(&through, recovering()).await }
        },
        brokered.queue.as_str(),
    );
    let running = Running::start(&consumer, source.dead_letters(brokered.dead()));
    until(|| begun.all().len() == 4).await;
    proxy.cut();
    gate.add_permits(1000);
    until(|| effects.all().len() == 8).await;
    // The one that has come back would be a second one, with messages that nobody receives.
    let alone = async {
        let mut times = 0;
        while times < 20 {
            times = if brokered.consumers().await == 1 { times + 1 } else { 0 };
            tokio::time::sleep(millis(50)).await;
        }
    };
    tokio::time::timeout(secs(60), alone).await.expect("there is one consumer");
    running.stop().await;
    assert_eq!(brokered.ready().await, 0);
    assert!(effects.all().iter().all(|(_, count)| *count == 1), "{:?}", effects.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_recovers_long_after_it_was_dropped_keeps_no_messages() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    for number in 0..4 {
        brokered.publish(&format!("order-{number}"), &number.to_string()).await;
    }
    let proxy = TcpProxy::start(brokered.server.address()).await;
    let through = url(&proxy);
    let source = RabbitMqSource::connecting(
        move || {
            let through = through.clone();
            async move { Connection::connect(&through, recovering_evenly()).await }
        },
        brokered.queue.as_str(),
    );
    let mut source = source.dead_letters(brokered.dead());
    source.start(&Needs::of("shop.ship").concurrency(4)).await.unwrap();
    let in_hand = source.next(NonZeroUsize::MIN).await.unwrap();
    proxy.refuse();
    proxy.cut();
    // The client is between two attempts to connect.
    tokio::time::sleep(millis(500)).await;
    drop((in_hand, source));
    proxy.accept();
    // Twenty times in a row: while the client is away there is no consumer either.
    let kept_by_nobody = async {
        let mut times = 0;
        while times < 20 {
            let now = (brokered.consumers().await, brokered.ready().await);
            times = if now == (0, 4) { times + 1 } else { 0 };
            tokio::time::sleep(millis(100)).await;
        }
    };
    tokio::time::timeout(secs(20), kept_by_nobody).await.expect("nobody keeps the messages");
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_come_back_when_nothing_is_in_hand_any_more_are_closed() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    for number in 0..2 {
        brokered.publish(&format!("order-{number}"), &number.to_string()).await;
    }
    let proxy = TcpProxy::start(brokered.server.address()).await;
    let through = url(&proxy);
    let source = RabbitMqSource::connecting(
        move || {
            let through = through.clone();
            async move { Connection::connect(&through, recovering_evenly()).await }
        },
        brokered.queue.as_str(),
    );
    let mut source = source.dead_letters(brokered.dead());
    source.start(&Needs::of("shop.ship").concurrency(4)).await.unwrap();
    let [parked, in_hand] = [next(&mut source).await, next(&mut source).await];
    // The copy has a connection of its own.
    parked.settle(&Verdict::parked(ParkReason::Permanent, "")).await.unwrap();
    source.stop().await.unwrap();
    proxy.refuse();
    proxy.cut();
    let before = proxy.counts().connections();
    // The client is between two attempts to connect.
    tokio::time::sleep(millis(500)).await;
    drop((parked, in_hand, source));
    proxy.accept();
    // Both come back, and neither stays.
    proxy.wait_for(|counts| counts.connections() >= before + 2).await;
    let closed = async {
        let mut times = 0;
        while times < 20 {
            times = if proxy.open_connections() == 0 { times + 1 } else { 0 };
            tokio::time::sleep(millis(50)).await;
        }
    };
    let waited = tokio::time::timeout(secs(60), closed).await;
    assert!(waited.is_ok(), "{} are still open", proxy.open_connections());
}
