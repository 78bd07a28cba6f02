//! Brokers that are away or silent: what connections leave behind.

use std::net::SocketAddr;

use idempotent_core::consumer::{Needs, ParkReason, Source, SourceErrorKind, Verdict};
use idempotent_rabbitmq::RabbitMqSource;
use idempotent_servers::{Server, TcpProxy, require};
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::broker::{Brokered, CLASSIC, next};
use crate::effects::{millis, secs};

fn tasks() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Waits until this runtime has no more tasks than before.
async fn until_ended(before: usize) {
    let ended = async {
        while tasks() > before {
            tokio::time::sleep(millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(secs(30), ended).await;
    assert!(waited.is_ok(), "{before} tasks before, {} after", tasks());
}

/// Connects in vain ten times.
async fn leaves_nothing(address: SocketAddr) {
    let before = tasks();
    for _ in 0..10 {
        let url = format!("amqp://guest:guest@{address}/%2f");
        let mut source = RabbitMqSource::new(url, "orders").dead_letters("orders.dead");
        let refused = source.start(&Needs::of("shop.ship")).await.unwrap_err();
        assert_eq!(refused.kind(), SourceErrorKind::Unavailable, "{refused}");
    }
    until_ended(before).await;
}

#[tokio::test]
async fn connections_that_are_refused_leave_no_tasks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    leaves_nothing(address).await;
}

#[tokio::test]
async fn connections_that_are_reset_leave_no_tasks() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            connection.set_zero_linger().unwrap();
        }
    });
    leaves_nothing(address).await;
}

#[tokio::test]
async fn connections_that_a_silent_broker_does_not_close_leave_no_tasks() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    brokered.publish("order-7", "tea").await;
    let proxy = TcpProxy::start(brokered.server.address()).await;
    let before = tasks();
    let url = format!("amqp://guest:guest@{}/%2f", proxy.address());
    let source = RabbitMqSource::new(url, brokered.queue.as_str());
    let mut source = source.dead_letters(brokered.dead());
    source.start(&Needs::of("shop.ship")).await.unwrap();
    // The copy has a connection of its own.
    let parked = Verdict::parked(ParkReason::Permanent, "");
    next(&mut source).await.settle(&parked).await.unwrap();
    assert!(tasks() > before);
    proxy.stall();
    drop(source);
    until_ended(before).await;
}
