//! What is checked before the first delivery.

use idempotent_core::consumer::{
    Consumer, ConsumerError, DeliveryOutcome, Needs, Source, SourceErrorKind,
};
use idempotent_rabbitmq::{Queue, RabbitMqSource};
use idempotent_servers::{Server, require};
use tokio::sync::mpsc;

use crate::broker::{Brokered, CLASSIC, QUORUM};
use crate::effects::{engine, secs};

/// Why a source does not start.
async fn refused(mut source: RabbitMqSource) -> (SourceErrorKind, String) {
    let error = source.start(&Needs::of("shop.ship").attempts(15)).await.unwrap_err();
    (error.kind(), error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_suit_is_said_at_the_start() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    let (misconfigured, gone) = (SourceErrorKind::Misconfigured, SourceErrorKind::Gone);
    let expect = async |source, kind, words: &str| {
        let (found, text) = refused(source).await;
        assert!(found == kind && text.contains(words), "{found:?} {text:?} and not {words:?}");
    };
    let (url, queue) = (brokered.server.url(), brokered.queue.as_str());
    let named = |name: &str| RabbitMqSource::new(url.as_str(), name).dead_letters(brokered.dead());
    expect(named("none"), gone, "no queue `none`").await;
    expect(named(&"x".repeat(256)), misconfigured, "longer than 255 bytes").await;
    expect(named(&"x".repeat(250)), misconfigured, "no room for those of its delay queues").await;
    let without = RabbitMqSource::new(url.as_str(), queue);
    expect(without, misconfigured, "nowhere to park").await;
    expect(brokered.source().dead_letters(queue), misconfigured, "on the queue").await;
    expect(brokered.source().dead_letters("none"), misconfigured, "queue of dead letters").await;
    let no_exchange = brokered.source().dead_letters_by("none", "");
    expect(no_exchange, misconfigured, "exchange of dead letters").await;
    expect(brokered.source().declare(Queue::quorum()), misconfigured, "x-queue-type").await;
    for limit in [19, 29] {
        let text = "set it to at least 30";
        expect(brokered.source().delivery_limit(limit), misconfigured, text).await;
        let declared = brokered.source().declare(Queue::quorum().delivery_limit(limit));
        expect(declared, misconfigured, text).await;
    }
    let none: [(std::time::Duration, &str); 0] = [];
    expect(brokered.source().delay_queues(none), misconfigured, "at least one").await;
    let missing = brokered.source().delay_queues([(secs(1), "none")]);
    expect(missing, misconfigured, "delay queue `none`").await;
    let short = brokered.source().consumer_timeout(secs(1));
    expect(short, misconfigured, "consumer timeout").await;
    let wrong = url.replace("guest:guest", "guest:secret");
    let source = RabbitMqSource::new(wrong, queue).dead_letters(brokered.dead());
    expect(source, misconfigured, "refuses the connection").await;
    brokered.source().delivery_limit(30).start(&Needs::of("shop.ship").attempts(15)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_declares_its_queue_and_a_ttl_of_it_is_known() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(QUORUM).await;
    let name = format!("{}.new", brokered.queue);
    let source = RabbitMqSource::new(brokered.server.url(), name).dead_letters(brokered.dead());
    let queue = Queue::quorum().delivery_limit(100).message_ttl(secs(3600));
    let mut source = source.declare(queue.argument("x-max-length", 1000));
    let terms = source.start(&Needs::of("shop.ship")).await.unwrap();
    assert_eq!((terms.system, terms.keeps_for), ("rabbitmq", Some(secs(3600))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_may_not_run_for_as_long_as_the_broker_waits() {
    require!(Server::RabbitMq);
    let brokered = Brokered::start(CLASSIC).await;
    let builder = Consumer::builder("shop.ship", &engine()).max_run(secs(23 * 60));
    let consumer = builder.handler(|_: String| async { Ok::<_, String>(()) });
    let ended = consumer.run(brokered.source(), std::future::pending()).await;
    match ended {
        Err(ConsumerError::Misconfigured(text)) => assert!(text.contains("1350s"), "{text}"),
        ended => panic!("{ended:?}"),
    }
    // The engine's default of an hour is shortened.
    let (ended, mut outcomes) = mpsc::unbounded_channel();
    let consumer = Consumer::builder("shop.ship", &engine())
        .on_settled(move |settled| {
            let _ = ended.send(settled.outcome);
        })
        .handler(|_: String| async {
            tokio::time::sleep(secs(60)).await;
            Ok::<_, String>(())
        });
    brokered.publish("order-7", "tea").await;
    let source = brokered.source().deadline(secs(12)).consumer_timeout(secs(12));
    let running = crate::effects::Running::start(&consumer, source);
    assert_eq!(outcomes.recv().await, Some(DeliveryOutcome::TimedOut));
    running.stop().await;
}
