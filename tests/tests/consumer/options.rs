//! Options that do not go together, and what is said about them.

use idempotent_core::backends::MemoryStore;
use idempotent_core::consumer::{
    Consumer, ConsumerBuilder, ConsumerError, DeliveryOutcome, Message,
};
use idempotent_core::testing::sources::TestBroker;
use idempotent_core::{Guarantee, Idempotency};
use idempotent_tests::{Log, millis, secs};

use crate::effects::{Effects, Ends, counting, engine};

/// Why a consumer with these options does not start.
async fn refused(builder: ConsumerBuilder) -> String {
    let broker = TestBroker::with_deadline(secs(10));
    broker.publish("7", "tea");
    let consumer = builder.handler(|_: String| async { Ok::<_, String>(()) });
    match consumer.run(broker.source(), std::future::pending()).await {
        Err(ConsumerError::Misconfigured(text)) => {
            assert!(broker.parked().is_empty() && broker.completed().is_empty());
            text.into_owned()
        }
        ended => panic!("{ended:?}"),
    }
}

#[tokio::test]
async fn a_lease_longer_than_half_of_the_deadline_is_refused_at_the_start() {
    let text = refused(Consumer::builder("shop.ship", &engine()).lease(secs(6))).await;
    assert!(text.contains("6s") && text.contains("at most 5s"), "{text}");
}

#[tokio::test]
async fn an_engine_that_fails_open_is_refused_at_the_start() {
    let engine = Idempotency::builder(MemoryStore::new()).fail_open().build();
    let text = refused(Consumer::builder("shop.ship", &engine)).await;
    assert!(text.contains("fails open"), "{text}");
}

#[tokio::test]
async fn exactly_once_is_refused_at_the_start() {
    let builder = Consumer::builder("shop.ship", &engine()).guarantee(Guarantee::ExactlyOnce);
    assert!(refused(builder).await.contains("transaction"));
}

#[tokio::test]
async fn a_name_that_no_operation_may_have_ends_the_consumer_and_gives_the_message_back() {
    let text = refused(Consumer::builder("shop ship", &engine())).await;
    assert!(text.contains("name"), "{text}");
}

#[tokio::test]
async fn without_a_fingerprint_a_producer_may_change_what_it_sends_again() {
    let (broker, ends) = (TestBroker::new(), Ends::default());
    let builder = Consumer::builder("shop.ship", &engine()).without_fingerprint();
    let consumer = ends.watch(builder).handler(|_: String| async { Ok::<_, String>(()) });
    broker.publish("7", "tea, sent at 9:00");
    broker.publish("7", "tea, sent at 9:01");
    consumer.run(broker.source(), broker.until_settled(2)).await.unwrap();
    assert!(broker.parked().is_empty());
    assert_eq!(ends.count(DeliveryOutcome::Executed), 1);
}

#[tokio::test]
async fn a_key_and_a_scope_of_your_own_make_two_messages_the_same() {
    let (broker, effects, engine) = (TestBroker::new(), Effects::default(), engine());
    let seen = effects.clone();
    let consumer = Consumer::builder("shop.ship", &engine)
        .key(|message: &Message| message.header("order").map(str::to_owned))
        .scope(|message: &Message| message.header("tenant").map(str::to_owned))
        .handler(move |it: String| {
            seen.add(&it);
            async { Ok::<_, String>(()) }
        });
    for (id, tenant) in [("1", "a"), ("2", "a"), ("3", "b")] {
        let message = Message::new(id, "orders", "tea").with_header("order", "7");
        broker.publish_message(message.with_header("tenant", tenant));
    }
    consumer.run(broker.source(), broker.until_settled(3)).await.unwrap();
    assert_eq!(effects.of("tea"), 2, "once for each tenant");
}

#[tokio::test]
async fn a_delayed_message_comes_when_it_is_due() {
    let (broker, effects) = (TestBroker::new(), Effects::default());
    let start = tokio::time::Instant::now();
    broker.publish_delayed(Message::new("7", "orders", "tea"), millis(300));
    counting(&engine(), &effects).run(broker.source(), broker.until_settled(1)).await.unwrap();
    assert!(start.elapsed() >= millis(300));
    assert_eq!(effects.of("tea"), 1);
}

#[test]
fn a_retention_shorter_than_the_brokers_is_warned_of() {
    use idempotent_core::consumer::{Delivery, Needs, Source, SourceError, Terms};

    struct Keeping;

    #[idempotent_core::async_trait]
    impl Source for Keeping {
        async fn start(&mut self, _: &Needs) -> Result<Terms, SourceError> {
            Ok(Terms::new("test", "test").keeps_for(secs(7 * 86_400)))
        }

        async fn next(&mut self, _: std::num::NonZeroUsize) -> Result<Delivery, SourceError> {
            Err(SourceError::gone("it is empty"))
        }

        async fn stop(&mut self) -> Result<(), SourceError> {
            Ok(())
        }
    }

    let (log, _guard) = Log::listen();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        for ttl in [secs(86_400), secs(8 * 86_400)] {
            let builder = Consumer::builder("shop.ship", &engine()).ttl(ttl);
            let consumer = builder.handler(|_: String| async { Ok::<_, String>(()) });
            consumer.run(Keeping, std::future::pending()).await.unwrap_err();
        }
    });
    assert_eq!(log.events("the broker keeps messages for longer").len(), 1);
}
