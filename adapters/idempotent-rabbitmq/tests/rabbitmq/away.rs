//! Brokers that are away: what an attempt to connect leaves behind.

use std::net::SocketAddr;

use idempotent_core::consumer::{Needs, Source, SourceErrorKind};
use idempotent_rabbitmq::RabbitMqSource;
use tokio::net::TcpListener;
use tokio::runtime::Handle;

use crate::effects::{millis, secs};

/// Connects in vain ten times, and waits until this runtime has no more tasks than before.
async fn leaves_nothing(address: SocketAddr) {
    let before = Handle::current().metrics().num_alive_tasks();
    for _ in 0..10 {
        let url = format!("amqp://guest:guest@{address}/%2f");
        let mut source = RabbitMqSource::new(url, "orders").dead_letters("orders.dead");
        let refused = source.start(&Needs::of("shop.ship")).await.unwrap_err();
        assert_eq!(refused.kind(), SourceErrorKind::Unavailable, "{refused}");
    }
    let ended = async {
        while Handle::current().metrics().num_alive_tasks() > before {
            tokio::time::sleep(millis(10)).await;
        }
    };
    let waited = tokio::time::timeout(secs(30), ended).await;
    let after = Handle::current().metrics().num_alive_tasks();
    assert!(waited.is_ok(), "{before} tasks before, {after} after");
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
