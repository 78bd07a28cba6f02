//! Dead letters on a real server: no copy is dropped for another one, and none has commands to the server.

use std::num::NonZeroUsize;

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::pull;
use idempotent_core::consumer::jetstream::{CONSUMER, JetStreamSource, MESSAGE_ID};
use idempotent_core::consumer::{Consumer, Delivery, Needs, ParkReason, Source, Verdict};
use idempotent_servers::{Server, require};

use crate::effects::{attempts, engine};
use crate::nats_server::{Brokered, billing, header};

/// The next delivery to the consumer of that name.
async fn taken(source: &mut JetStreamSource, name: &str) -> Delivery {
    source.start(&Needs::of(name)).await.unwrap();
    source.next(NonZeroUsize::MIN).await.unwrap()
}

#[tokio::test]
async fn the_copies_of_two_consumers_of_one_message_are_both_kept() {
    require!(Server::Nats, Server::Nats215);
    for version in [Server::Nats, Server::Nats215] {
        let server = Brokered::start(version).await;
        let shipping = pull::Config { durable_name: Some("shipping".to_owned()), ..billing() };
        server.stream("ORDERS").await.create_consumer(shipping).await.unwrap();
        server.publish("order-7", "tea").await;
        let mut ship = JetStreamSource::new(server.context.clone(), "ORDERS", "shipping")
            .dead_letters("dead.orders");
        let mut bill = server.source();
        let verdict = Verdict::parked(ParkReason::Permanent, "it is no good");
        let shipped = taken(&mut ship, "shop.ship").await;
        let billed = taken(&mut bill, "shop.bill").await;
        // Twice, as after a confirmation that was lost.
        for delivery in [&shipped, &billed, &shipped, &billed] {
            delivery.settle(&verdict).await.unwrap();
        }
        let letters = server.dead_letters().await;
        let parked_by: Vec<_> = letters.iter().map(|(it, _)| header(it, CONSUMER)).collect();
        assert_eq!(parked_by, ["shop.ship", "shop.bill"]);
        assert_eq!(header(&letters[0].0, "Nats-Msg-Id"), "order-7");
        assert_eq!(header(&letters[1].0, MESSAGE_ID), "order-7");

        // The second one is replayed as it is, and has its message's id.
        server.publish_with(letters[1].0.clone(), letters[1].1.clone()).await;
        let replayed = bill.next(NonZeroUsize::MIN).await.unwrap();
        assert_eq!(replayed.message().id(), "order-7");
    }
}

#[tokio::test]
async fn the_copies_of_two_messages_with_one_id_are_both_kept() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    // The stream of the messages does not know this header, so it keeps both, as it does once its window has passed.
    let mut headers = HeaderMap::new();
    headers.insert(MESSAGE_ID, "order-7");
    for payload in ["tea", "coffee"] {
        server.publish_with(headers.clone(), payload.into()).await;
    }
    let mut source = server.source();
    let first = taken(&mut source, "shop.ship").await;
    let second = source.next(NonZeroUsize::MIN).await.unwrap();
    let verdict = Verdict::parked(ParkReason::Permanent, "it is no good");
    // Twice, as after a confirmation that was lost.
    for delivery in [&first, &second, &first, &second] {
        delivery.settle(&verdict).await.unwrap();
    }
    let letters = server.dead_letters().await;
    let payloads: Vec<_> = letters.iter().map(|(_, payload)| payload.as_slice()).collect();
    assert_eq!(payloads, [b"tea".as_slice(), b"coffee".as_slice()]);
    assert_eq!(header(&letters[0].0, "Nats-Msg-Id"), "order-7");
    assert_eq!(header(&letters[1].0, MESSAGE_ID), "order-7");
}

#[tokio::test]
async fn a_dead_letter_without_room_for_headers_has_its_id_and_no_commands_to_the_server() {
    require!(Server::Nats);
    let server = Brokered::start(Server::Nats).await;
    let consumer = Consumer::builder("shop.ship", &engine())
        .attempts(attempts(1))
        .handler(|_: Vec<u8>| async { Err::<(), _>("it is no good") });
    let mut headers = HeaderMap::new();
    headers.insert("Nats-Msg-Id", "order-7");
    headers.insert("Nats-Expected-Stream", "ORDERS");
    // Room for these headers, which take 64 bytes, and not for those of a dead letter.
    let most = server.context.client().server_info().max_payload;
    server.publish_with(headers, vec![b'x'; most - 100]).await;
    consumer.run(server.source(), server.until_settled()).await.unwrap();
    let letters = server.dead_letters().await;
    assert_eq!((letters.len(), letters[0].1.len()), (1, most - 100));
    assert_eq!(header(&letters[0].0, "Nats-Msg-Id"), "order-7");
    assert_eq!(header(&letters[0].0, "Nats-Expected-Stream"), "");
}
