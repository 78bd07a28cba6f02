//! A real `JetStream` with a stream of orders, a consumer, and a stream of dead letters.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::{self, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{HeaderMap, HeaderValue};
use idempotent_core::consumer::Source;
use idempotent_core::consumer::jetstream::JetStreamSource;
use idempotent_core::testing::sources::SourceSubject;
use idempotent_servers::{Nats, Server};
use idempotent_tests::millis;

pub(crate) const ACK_WAIT: Duration = millis(1000);

pub(crate) struct Brokered {
    pub(crate) nats: Arc<Nats>,
    pub(crate) context: Context,
    /// What the names of its streams end with, where several share a server.
    suffix: String,
    ack_wait: Duration,
}

/// A durable consumer that suits.
pub(crate) fn billing() -> pull::Config {
    pull::Config {
        durable_name: Some("billing".to_owned()),
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        ..pull::Config::default()
    }
}

fn stream(name: &str, subjects: &str) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: vec![subjects.to_owned()],
        ..stream::Config::default()
    }
}

/// A connection that comes back quickly.
pub(crate) async fn context(url: &str) -> Context {
    let options = async_nats::ConnectOptions::new()
        .retry_on_initial_connect()
        .reconnect_delay_callback(|_| millis(20));
    jetstream::new(options.connect(url).await.unwrap())
}

impl Brokered {
    pub(crate) async fn start(version: Server) -> Self {
        Self::with_consumer(version, billing()).await
    }

    pub(crate) async fn with_consumer(version: Server, consumer: pull::Config) -> Self {
        let nats = Arc::new(Nats::start_version(version).await);
        Self::on(nats, String::new(), consumer).await
    }

    /// With streams of its own on a server that is there.
    pub(crate) async fn on(nats: Arc<Nats>, suffix: String, consumer: pull::Config) -> Self {
        let context = context(&nats.url()).await;
        let named = |name: &str, subject: &str| {
            stream(&format!("{name}{suffix}"), &format!("{subject}{suffix}.>"))
        };
        let orders = context.create_stream(named("ORDERS", "orders")).await.unwrap();
        context.create_stream(named("DEAD", "dead")).await.unwrap();
        let ack_wait = consumer.ack_wait;
        orders.create_consumer(consumer).await.unwrap();
        Self { nats, context, suffix, ack_wait }
    }

    pub(crate) fn source(&self) -> JetStreamSource {
        let source =
            JetStreamSource::new(self.context.clone(), format!("ORDERS{}", self.suffix), "billing");
        source.dead_letters(format!("dead{}.orders", self.suffix))
    }

    pub(crate) async fn publish_with(&self, headers: HeaderMap, payload: Vec<u8>) {
        let subject = format!("orders{}.placed", self.suffix);
        let published = self.context.publish_with_headers(subject, headers, payload.into()).await;
        published.unwrap().await.unwrap();
    }

    pub(crate) async fn publish(&self, id: impl Into<Option<&str>>, payload: impl Into<Vec<u8>>) {
        let mut headers = HeaderMap::new();
        if let Some(id) = id.into() {
            headers.insert("Nats-Msg-Id", id);
        }
        self.publish_with(headers, payload.into()).await;
    }

    pub(crate) async fn stream(&self, name: &str) -> Stream {
        self.context.get_stream(format!("{name}{}", self.suffix)).await.unwrap()
    }

    /// The dead letters: headers and payloads.
    pub(crate) async fn dead_letters(&self) -> Vec<(HeaderMap, Vec<u8>)> {
        let stream = self.stream("DEAD").await;
        let state = &stream.cached_info().state;
        let mut letters = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            if let Ok(letter) = stream.get_raw_message(sequence).await {
                letters.push((letter.headers, letter.payload.to_vec()));
            }
        }
        letters
    }

    /// How many messages are delivered and not settled, and how many are not delivered yet.
    pub(crate) async fn open(&self) -> (usize, u64) {
        let orders = self.stream("ORDERS").await;
        let consumer: PullConsumer = orders.get_consumer("billing").await.unwrap();
        let info = consumer.cached_info();
        (info.num_ack_pending, info.num_pending)
    }

    /// Waits until every message is settled.
    pub(crate) async fn until_settled(&self) {
        let settled = async {
            while self.open().await != (0, 0) {
                tokio::time::sleep(millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), settled).await.expect("all is settled");
    }
}

/// A dead letter's header.
pub(crate) fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers.get(name).map_or("", HeaderValue::as_str)
}

#[async_trait::async_trait]
impl SourceSubject for Brokered {
    async fn connect(&self) -> Box<dyn Source> {
        Box::new(self.source())
    }

    async fn publish(&self, id: Option<&str>, payload: &[u8]) {
        Brokered::publish(self, id, payload).await;
    }

    async fn parked(&self) -> Vec<(String, Vec<u8>)> {
        let letters = self.dead_letters().await.into_iter();
        letters.map(|(headers, it)| (header(&headers, "Nats-Msg-Id").to_owned(), it)).collect()
    }

    fn deadline(&self) -> Duration {
        self.ack_wait
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }
}
