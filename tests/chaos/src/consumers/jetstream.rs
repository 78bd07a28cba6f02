//! NATS `JetStream`, on the disk.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::stream::{self, Stream};
use async_nats::jetstream::{self, Context};
use async_nats::{HeaderMap, HeaderValue};
use idempotent_core::consumer::jetstream::{JetStreamSource, MESSAGE_ID, REASON};
use idempotent_servers::Nats;

use super::{Assignment, Broker, Parked, Settings};

pub(super) const NAME: &str = "jetstream";
const ORDERS: &str = "ORDERS";
const DEAD: &str = "DEAD";
const CONSUMER: &str = "billing";

/// A NATS server with a stream of messages and one of dead letters.
#[derive(Debug)]
pub struct JetStream {
    server: Nats,
    context: Context,
    /// It gives up soon, since the broker may be away.
    publisher: Context,
}

impl JetStream {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it refuses the streams.
    pub async fn start(settings: &Settings) -> Result<Self> {
        let server = Nats::start().await;
        let context = connect(&server.url()).await?;
        let stream = |name: &str| stream::Config {
            name: name.to_owned(),
            subjects: vec![name.to_lowercase()],
            ..stream::Config::default()
        };
        context.create_stream(stream(DEAD)).await?;
        let orders = context.create_stream(stream(ORDERS)).await?;
        let consumer = pull::Config {
            durable_name: Some(CONSUMER.to_owned()),
            ack_wait: settings.deadline,
            max_deliver: -1,
            max_ack_pending: 10_000,
            ..pull::Config::default()
        };
        orders.create_consumer(consumer).await?;
        let mut publisher = context.clone();
        publisher.set_timeout(Duration::from_secs(1));
        Ok(Self { server, context, publisher })
    }

    async fn stream(&self, name: &str) -> Result<Stream> {
        Ok(self.context.get_stream(name).await?)
    }
}

/// A connection that comes back quickly.
async fn connect(url: &str) -> Result<Context> {
    let options = async_nats::ConnectOptions::new()
        .retry_on_initial_connect()
        .ping_interval(Duration::from_secs(1))
        .reconnect_delay_callback(|_| Duration::from_millis(50));
    Ok(jetstream::new(options.connect(url).await?))
}

/// The source of a worker.
pub(super) async fn source(assignment: &Assignment) -> Result<JetStreamSource> {
    let context = connect(assignment.broker_url()).await?;
    Ok(JetStreamSource::new(context, ORDERS, CONSUMER).dead_letters(DEAD.to_lowercase()))
}

impl Broker for JetStream {
    const NAME: &'static str = NAME;

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn url_at(&self, address: SocketAddr) -> String {
        format!("nats://{address}")
    }

    fn kill(&self) {
        self.server.kill();
    }

    async fn restart(&self) {
        self.server.restart().await;
    }

    async fn publish(&self, id: &str) -> Result<()> {
        let mut headers = HeaderMap::new();
        // Not the id that the stream knows duplicates by: they are what is wanted here.
        headers.insert(MESSAGE_ID, id);
        let (subject, payload) = (ORDERS.to_lowercase(), id.to_owned().into());
        self.publisher.publish_with_headers(subject, headers, payload).await?.await?;
        Ok(())
    }

    async fn left(&self) -> Result<u64> {
        let consumer = self.stream(ORDERS).await?.get_consumer(CONSUMER).await;
        let consumer: PullConsumer = consumer.map_err(anyhow::Error::from_boxed)?;
        let info = consumer.cached_info();
        Ok(info.num_pending + info.num_ack_pending as u64)
    }

    async fn parked(&self) -> Result<Vec<Parked>> {
        let dead = self.stream(DEAD).await?;
        let state = &dead.cached_info().state;
        let mut parked = Vec::new();
        for sequence in state.first_sequence..=state.last_sequence {
            let letter = dead.get_raw_message(sequence).await?;
            let header =
                |name: &str| letter.headers.get(name).map_or("", HeaderValue::as_str).to_owned();
            let key = String::from_utf8(letter.payload.to_vec())?.parse()?;
            parked.push(Parked { key, reason: header(REASON) });
        }
        Ok(parked)
    }
}
