//! The source of Redis Streams when messages have no id, or are settled by others.

use std::num::NonZeroUsize;

use idempotent_core::consumer::redis_streams::{ERROR, REASON};
use idempotent_core::consumer::{Source, Verdict};
use idempotent_servers::{Flavor, Server, require};
use idempotent_tests::{Log, secs};

use crate::effects::{Effects, counting, engine};
use crate::redis_server::{GROUP, Streams, field};

#[tokio::test]
async fn a_message_that_somebody_acknowledges_by_hand_before_its_handler_fails_is_reported() {
    require!(Server::Redis);
    let (log, _guard) = Log::listen();
    let server = Streams::start(Flavor::Redis).await;
    let entry = server.publish("order-7", "tea").await;
    let mut source = server.started().await;
    let delivery = source.next(NonZeroUsize::MIN).await.unwrap();
    let _: i64 = server.ask(&["XACK", "orders", GROUP, &entry]).await;
    delivery.settle(&Verdict::Retry { after: secs(1) }).await.unwrap();
    let said = log.events("was acknowledged meanwhile");
    assert_eq!((said.len(), said[0].field("id")), (1, entry.as_str()));
    // One that another worker has is not.
    server.publish("order-8", "milk").await;
    let late = source.next(NonZeroUsize::MIN).await.unwrap();
    let mut other = server.started().await;
    let _taken = other.next(NonZeroUsize::MIN).await.unwrap();
    late.settle(&Verdict::Retry { after: secs(1) }).await.unwrap();
    assert_eq!(log.events("was acknowledged meanwhile").len(), 1);
}

#[tokio::test]
async fn an_entry_without_the_field_that_is_named_is_parked_and_says_what_to_set() {
    require!(Server::Redis);
    let server = Streams::start(Flavor::Redis).await;
    let effects = Effects::default();
    server.publish(None, "tea").await;
    server.publish("order-7", "milk").await;
    counting(&engine(), &effects).run(server.source(), server.until_settled(2)).await.unwrap();
    assert_eq!(effects.all(), [("milk".to_owned(), 1)]);
    let letters = server.dead_letters().await;
    assert_eq!((letters.len(), field(&letters[0], REASON)), (1, "invalid_key"));
    assert!(field(&letters[0], ERROR).contains("`id_field`"), "{letters:?}");
}
