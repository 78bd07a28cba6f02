//! NATS `JetStream`. By hand: a pull consumer of async-nats, and `double_ack` of each message.

use std::time::{Duration, Instant};

use async_nats::HeaderMap;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, Context, stream};
use futures_util::{StreamExt as _, TryStreamExt as _};
use idempotent_core::Idempotency;
use idempotent_core::consumer::jetstream::JetStreamSource;
use idempotent_servers::Nats;

use super::{Broker, MESSAGES, RedisByHand, ours};
use crate::{BYTES, CONCURRENCY, Failure, id};

/// How many publications are on their way.
const PUBLISHING: usize = 256;

pub(super) struct JetStream {
    context: Context,
    _server: Nats,
}

impl JetStream {
    pub(super) async fn start() -> Result<Self, Failure> {
        let server = Nats::start().await;
        let context = jetstream::new(async_nats::connect(server.url()).await?);
        let dead = stream::Config {
            name: "DEAD".into(),
            subjects: vec!["dead".into()],
            ..Default::default()
        };
        context.create_stream(dead).await?;
        Ok(Self { context, _server: server })
    }
}

fn name(turn: usize) -> String {
    format!("ORDERS-{turn}")
}

impl Broker for JetStream {
    const NAME: &'static str = "JetStream, NATS 2.9";

    async fn fill(&self, turn: usize) -> Result<(), Failure> {
        let orders =
            stream::Config { name: name(turn), subjects: vec![name(turn)], ..Default::default() };
        let orders = self.context.create_stream(orders).await?;
        let billing = pull::Config {
            durable_name: Some("billing".to_owned()),
            ack_wait: Duration::from_secs(60),
            ..Default::default()
        };
        orders.create_consumer(billing).await?;
        let publish = async |message| {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", id(turn, message));
            let payload = vec![b'x'; BYTES].into();
            let published = self.context.publish_with_headers(name(turn), headers, payload);
            published.await?.await.map(drop)
        };
        let publishing = futures_util::stream::iter(0..MESSAGES).map(publish);
        publishing.buffer_unordered(PUBLISHING).try_collect::<()>().await?;
        Ok(())
    }

    async fn bare(&self, turn: usize, records: Option<&RedisByHand>) -> Result<Duration, Failure> {
        let start = Instant::now();
        let orders = self.context.get_stream(name(turn)).await?;
        let consumer: PullConsumer = orders.get_consumer("billing").await?;
        let received = consumer.stream().max_messages_per_batch(CONCURRENCY).messages().await?;
        received
            .take(MESSAGES)
            .map_err(Failure::from)
            .try_for_each_concurrent(CONCURRENCY, |message| async move {
                if let Some(records) = records {
                    let headers = message.headers.as_ref().ok_or("it has no headers")?;
                    let id = headers.get("Nats-Msg-Id").ok_or("it has no id")?;
                    assert!(records.handle(id.as_str()).await?, "it comes once");
                }
                message.double_ack().await
            })
            .await?;
        Ok(start.elapsed())
    }

    async fn consume(&self, turn: usize, engine: &Idempotency) -> Result<Duration, Failure> {
        let source = JetStreamSource::new(self.context.clone(), name(turn), "billing");
        ours::handle(source.dead_letters("dead"), engine).await
    }

    async fn clear(&self, turn: usize) -> Result<(), Failure> {
        self.context.delete_stream(name(turn)).await?;
        Ok(())
    }
}
