//! What a consumer says about itself: how it is set, and what may lose or double messages.

use std::num::NonZeroUsize;

use idempotent_core::consumer::{
    Consumer, ConsumerBuilder, ConsumerError, Delivery, Failure, Message, Needs, Source,
    SourceError, Terms,
};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::{Guarantee, async_trait};
use idempotent_servers::{Server, require};
use idempotent_tests::{Log, millis, secs};
use tracing::Level;

use crate::effects::{Effects, Ends, Running, counting, engine, until};
use crate::nats_server::Brokered;

/// A broker that outlives the process, and has nothing.
struct Durable;

#[async_trait]
impl Source for Durable {
    async fn start(&mut self, _: &Needs) -> Result<Terms, SourceError> {
        Ok(Terms::new("test", "parcels").deadline(secs(10)))
    }

    async fn next(&mut self, _: NonZeroUsize) -> Result<Delivery, SourceError> {
        Err(SourceError::gone("it is empty"))
    }

    async fn stop(&mut self) -> Result<(), SourceError> {
        Ok(())
    }
}

fn shipping() -> ConsumerBuilder {
    Consumer::builder("shop.ship", &engine())
}

async fn ship(_: String) -> Result<(), String> {
    Ok(())
}

#[tokio::test]
async fn the_start_says_how_the_consumer_is_set() {
    let (log, _guard) = Log::listen();
    let consumer = shipping().ttl(secs(60)).lease(secs(4)).handler(ship);
    consumer.run(Durable, std::future::pending()).await.unwrap_err();
    let said = log.events("a consumer starts");
    assert_eq!((said.len(), said[0].level), (1, Level::INFO));
    for (field, value) in [
        ("consumer", "shop.ship"),
        ("messaging.system", "test"),
        ("messaging.destination.name", "parcels"),
        ("key", "the id of the message"),
        ("guarantee", "AtLeastOnce"),
        ("concurrency", "16"),
        ("ttl_secs", "60.0"),
        ("lease_secs", "4.0"),
        ("deadline_secs", "10.0"),
    ] {
        assert_eq!(said[0].field(field), value, "{field}");
    }
}

#[tokio::test]
async fn records_that_end_with_the_process_are_warned_of_where_messages_do_not() {
    let (log, _guard) = Log::listen();
    let said = || log.events("and the records do not").len();
    let in_memory = TestBroker::new();
    in_memory.publish("7", "tea");
    shipping().handler(ship).run(in_memory.source(), in_memory.until_settled(1)).await.unwrap();
    assert_eq!((log.events("a consumer starts").len(), said()), (1, 0));
    shipping().handler(ship).run(Durable, std::future::pending()).await.unwrap_err();
    assert_eq!(said(), 1);
}

#[tokio::test]
async fn errors_that_nobody_judges_are_warned_of_under_at_most_once() {
    let (log, _guard) = Log::listen();
    let at_most_once = || shipping().guarantee(Guarantee::AtMostOnce);
    let said = || log.events("still means that nothing happened").len();
    let judged = at_most_once().handler_with(ship, |_| Failure::Unknown);
    judged.run(Durable, std::future::pending()).await.unwrap_err();
    shipping().handler(ship).run(Durable, std::future::pending()).await.unwrap_err();
    assert_eq!(said(), 0);
    at_most_once().handler(ship).run(Durable, std::future::pending()).await.unwrap_err();
    assert_eq!(said(), 1);
}

#[tokio::test]
async fn records_that_end_before_the_broker_delivers_again_are_refused_at_the_start() {
    let consumer = shipping().ttl(secs(9)).handler(ship);
    match consumer.run(Durable, std::future::pending()).await {
        Err(ConsumerError::Misconfigured(text)) => {
            assert!(text.contains("a `ttl` of 9s") && text.contains("at least 10s"), "{text}");
        }
        ended => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn the_error_of_a_run_says_what_is_wrong_with_its_source() {
    let error = shipping().handler(ship).run(Durable, std::future::pending()).await.unwrap_err();
    assert_eq!(error.to_string(), "the source cannot be read: it is empty");
}

#[tokio::test]
async fn messages_without_ids_of_their_own_are_warned_of_once() {
    let (log, _guard) = Log::listen();
    let said = || log.events("has no id of its own");
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let keyed = shipping().key(|message: &Message| message.position().to_owned()).handler(ship);
    broker.publish_without_id("tea");
    keyed.run(broker.source(), broker.until_settled(1)).await.unwrap();
    broker.publish("7", "tea");
    counting(&engine(), &effects).run(broker.source(), broker.until_settled(2)).await.unwrap();
    assert_eq!(said().len(), 0);
    broker.publish_without_id("tea");
    broker.publish_without_id("tea");
    counting(&engine(), &effects).run(broker.source(), broker.until_settled(4)).await.unwrap();
    let said = said();
    assert_eq!((said.len(), said[0].level), (1, Level::WARN));
}

#[tokio::test]
async fn a_replay_in_a_first_delivery_is_said_and_one_in_a_later_delivery_is_not() {
    let (log, _guard) = Log::listen();
    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let consumer = counting(&engine, &effects);
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    broker.publish("7", "tea");
    drop(broker.source().next(NonZeroUsize::MIN).await.unwrap());
    broker.redeliver("7");
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    assert_eq!(log.events("that was not delivered before").len(), 0);
    broker.publish("7", "tea");
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
    let said = log.events("that was not delivered before");
    assert_eq!((said.len(), said[0].level, effects.of("tea")), (1, Level::DEBUG, 1));
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_interrupted_and_one_that_runs_again_are_said() {
    let (log, _guard) = Log::listen();
    let (broker, effects, ends) =
        (TestBroker::with_deadline(secs(1)), Effects::default(), Ends::default());
    let seen = effects.clone();
    let builder = ends.watch(shipping().stop_within(millis(50)).lease(millis(300)));
    let consumer = builder.handler(move |it: String| {
        let tries = seen.add(&it);
        async move {
            if tries == 1 {
                std::future::pending::<()>().await;
            }
            Ok::<_, String>(())
        }
    });
    broker.publish("7", "tea");
    let running = Running::start(&consumer, broker.source());
    until(|| effects.of("tea") == 1).await;
    running.stop().await.unwrap();
    let interrupted = log.events("a handler is interrupted");
    assert_eq!((interrupted.len(), interrupted[0].level), (1, Level::WARN));
    consumer.run(broker.source(), broker.until_settled(1)).await.unwrap();
    let again = log.events("a message runs that was delivered before");
    assert_eq!((again.len(), again[0].level), (1, Level::DEBUG));
    assert_eq!(again[0].field("delivery_count"), "2");
}

#[tokio::test]
async fn jetstream_messages_without_an_id_and_a_low_max_ack_pending_are_warned_of() {
    require!(Server::Nats);
    let (log, _guard) = Log::listen();
    let server = Brokered::start(Server::Nats).await;
    let low = || log.events("the server delivers fewer messages at once").len();
    // The server's default is 1000.
    server.source().start(&Needs::of("shop.ship").concurrency(1000)).await.unwrap();
    assert_eq!(low(), 0);
    server.source().start(&Needs::of("shop.ship").concurrency(1001)).await.unwrap();
    assert_eq!(low(), 1);
    server.publish(None, "tea").await;
    server.publish(None, "tea").await;
    let effects = Effects::default();
    counting(&engine(), &effects).run(server.source(), server.until_settled()).await.unwrap();
    assert_eq!((effects.of("tea"), log.events("has no id of its own").len()), (2, 1));
}
