//! What a server does not confirm is not taken for done.

use std::num::NonZeroUsize;

use idempotent_core::consumer::jetstream::JetStreamSource;
use idempotent_core::consumer::{Needs, Source, Verdict};
use idempotent_servers::{Server, TcpProxy, require};
use idempotent_tests::millis;

use crate::nats_server::{Brokered, context};

#[tokio::test]
async fn an_acknowledgement_that_the_server_does_not_confirm_is_no_success() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    server.publish("order-7", "tea").await;
    let proxy = TcpProxy::start(server.nats.address()).await;
    let through = context(&format!("nats://{}", proxy.address())).await;
    let source = JetStreamSource::new(through, "ORDERS", "billing");
    let mut source = source.dead_letters("dead.orders");
    source.start(&Needs::of("shop.ship")).await.unwrap();
    let delivery = source.next(NonZeroUsize::MIN).await.unwrap();
    proxy.stall();
    let told = tokio::time::timeout(millis(500), delivery.settle(&Verdict::Completed)).await;
    assert!(!matches!(told, Ok(Ok(()))), "nobody has confirmed it");
    proxy.resume();
    delivery.settle(&Verdict::Completed).await.unwrap();
    assert_eq!(server.open().await, (0, 0));
}
