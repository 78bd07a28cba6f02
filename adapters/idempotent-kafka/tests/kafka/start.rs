//! What is checked before the first delivery.

use idempotent_core::consumer::{Consumer, ConsumerError, Needs, Source, SourceErrorKind};
use idempotent_kafka::KafkaSource;

use crate::cluster::{Topics, client};
use crate::effects::{engine, millis, secs};

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_suit_is_said_at_the_start() {
    let topics = Topics::with_partitions(1);
    let (misconfigured, gone) = (SourceErrorKind::Misconfigured, SourceErrorKind::Gone);
    let expect = async |mut source: KafkaSource, kind, words: &str| {
        let error = source.start(&Needs::of("shop.ship")).await.unwrap_err();
        let (found, text) = (error.kind(), error.to_string());
        assert!(found == kind && text.contains(words), "{found:?} {text:?} and not {words:?}");
    };
    let orders = topics.orders.as_str();
    let named = |name: &str| KafkaSource::new(topics.client(), [name]).dead_letters(topics.dead());
    expect(named("none"), gone, "no topic `none` to read").await;
    expect(named("^orders"), misconfigured, "not the name of a topic").await;
    let without = KafkaSource::new(topics.client(), [orders]);
    expect(without, misconfigured, "nowhere to park").await;
    expect(topics.source().dead_letters(orders), misconfigured, "itself").await;
    expect(topics.source().dead_letters("none"), gone, "`none` to park").await;
    expect(topics.source().retry_topic("none"), gone, "no topic `none`").await;
    expect(topics.source().drain_within(secs(31)), misconfigured, "at most 30s").await;
    expect(topics.source().deadline(secs(61)), misconfigured, "at most 60s").await;
    expect(topics.source().max_ahead(0), misconfigured, "max_ahead").await;
    let mut automatic = topics.client();
    automatic.set("enable.auto.commit", "true");
    expect(topics.source_of(automatic), misconfigured, "enable.auto.commit").await;
    let mut nameless = topics.client();
    nameless.remove("group.id");
    expect(topics.source_of(nameless), misconfigured, "group.id").await;
    let mut unknown = topics.client();
    unknown.set("no.such.property", "secret");
    expect(topics.source_of(unknown), misconfigured, "no.such.property").await;
    let mut weak = client(&topics.cluster.servers, "");
    weak.remove("group.id").set("acks", "1").set("enable.idempotence", "false");
    expect(topics.source().producer(weak), misconfigured, "write `all`").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_not_there_is_no_misconfiguration_and_a_shutdown_is_not_held_up_by_it() {
    // Nobody listens there.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let mut source = KafkaSource::new(client(&address, "billing"), ["orders"]).dead_letters("dead");
    let consumer = Consumer::builder("shop.ship", &engine())
        .handler(|_: String| async { Ok::<_, String>(()) });
    let start = tokio::time::Instant::now();
    let unreachable =
        KafkaSource::new(client(&address, "billing"), ["orders"]).dead_letters("dead");
    consumer.run(unreachable, tokio::time::sleep(millis(300))).await.unwrap();
    assert!(start.elapsed() < secs(5), "it took {:?}", start.elapsed());
    let error = source.start(&Needs::of("shop.ship")).await.unwrap_err();
    assert_eq!(error.kind(), SourceErrorKind::Unavailable, "{error:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_terms_tell_the_topics_and_a_lease_that_is_too_long_is_refused() {
    let topics = Topics::with_partitions(1);
    let mut source = topics.source();
    let terms = source.start(&Needs::of("shop.ship")).await.unwrap();
    assert_eq!((terms.system, terms.destination.as_str()), ("kafka", topics.orders.as_str()));
    source.stop().await.unwrap();
    let builder = Consumer::builder("shop.ship", &engine()).lease(secs(2));
    let consumer = builder.handler(|_: String| async { Ok::<_, String>(()) });
    match consumer.run(topics.source(), std::future::pending()).await {
        Err(ConsumerError::Misconfigured(text)) => assert!(text.contains("at most 1.5s"), "{text}"),
        ended => panic!("{ended:?}"),
    }
}
