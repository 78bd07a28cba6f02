//! A real Redis or Valkey with a stream of orders, a group, and a stream of dead letters.

use std::sync::Arc;
use std::time::Duration;

use idempotent_core::backends::{RedisSource, RedisStore};
use idempotent_core::consumer::redis_streams::{MESSAGE_ID, RedisStreamSource, StartAt};
use idempotent_core::consumer::{Needs, Source};
use idempotent_core::testing::sources::SourceSubject;
use idempotent_servers::{Flavor, Redis};
use idempotent_tests::{millis, secs};
use redis::AsyncConnectionConfig;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::{Cmd, FromRedisValue, RedisResult, Value};

pub(crate) const MIN_IDLE: Duration = millis(1000);

/// How long an answer may take: a machine that stands still for seconds is no silent server.
const PATIENCE: Duration = secs(30);
/// The field with a message's id.
pub(crate) const ID: &str = "order";
pub(crate) const GROUP: &str = "warehouse";

/// Fields of an entry, in their order.
pub(crate) type Fields = Vec<(String, Vec<u8>)>;

pub(crate) struct Streams {
    /// The connections of the sources.
    pub(crate) store: RedisStore,
    client: ConnectionManager,
    pub(crate) stream: String,
    pub(crate) dead: String,
    min_idle: Duration,
    redis: Option<Arc<Redis>>,
}

impl Streams {
    pub(crate) async fn start(flavor: Flavor) -> Self {
        Self::on(Arc::new(Redis::builder().flavor(flavor).start().await), "", MIN_IDLE).await
    }

    /// With streams of its own on a server that is there.
    pub(crate) async fn on(redis: Arc<Redis>, suffix: &str, min_idle: Duration) -> Self {
        let url = redis.url();
        let store = RedisStore::builder(url.as_str()).response_timeout(PATIENCE).connect();
        let store = store.await.unwrap();
        let streams = Self::with(store, &url, (format!("orders{suffix}"), format!("dead{suffix}")));
        Self { min_idle, redis: Some(redis), ..streams.await }
    }

    /// On servers that outlive it.
    pub(crate) async fn with(store: RedisStore, url: &str, names: (String, String)) -> Self {
        let patient = ConnectionManagerConfig::new()
            .set_response_timeout(Some(PATIENCE))
            .set_connection_timeout(Some(PATIENCE));
        let client = redis::Client::open(url).unwrap();
        let client = client.get_connection_manager_with_config(patient).await.unwrap();
        let (stream, dead) = names;
        Self { store, client, stream, dead, min_idle: MIN_IDLE, redis: None }
    }

    pub(crate) fn source(&self) -> RedisStreamSource {
        self.source_of(Some(ID))
    }

    fn source_of(&self, id_field: Option<&str>) -> RedisStreamSource {
        let source = RedisStreamSource::new(&self.store, &self.stream, GROUP)
            .create_group(StartAt::Oldest)
            .min_idle(self.min_idle)
            .dead_letters(&self.dead);
        match id_field {
            Some(name) => source.id_field(name),
            None => source,
        }
    }

    /// Where the server of its own is.
    pub(crate) fn url(&self) -> String {
        self.redis.as_ref().expect("it has one").url()
    }

    /// A source that has started.
    pub(crate) async fn started(&self) -> RedisStreamSource {
        let mut source = self.source();
        source.start(&Needs::of("shop.ship")).await.unwrap();
        source
    }

    pub(crate) async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.client.clone()).await.unwrap()
    }

    /// Adds an entry, and returns its id.
    pub(crate) async fn add(&self, fields: &[(&str, &[u8])]) -> String {
        self.try_add(fields).await.unwrap()
    }

    async fn try_add(&self, fields: &[(&str, &[u8])]) -> RedisResult<String> {
        let mut add = Cmd::new();
        add.arg("XADD").arg(&self.stream).arg("*");
        for (name, value) in fields {
            add.arg(*name).arg(*value);
        }
        add.query_async(&mut self.client.clone()).await
    }

    pub(crate) async fn publish(&self, id: impl Into<Option<&str>>, payload: &str) -> String {
        let payload = ("payload", payload.as_bytes());
        match id.into() {
            Some(id) => self.add(&[(ID, id.as_bytes()), payload]).await,
            None => self.add(&[payload]).await,
        }
    }

    /// The same where the server may be away: the payload is the id.
    pub(crate) async fn try_publish(&self, order: &str) -> RedisResult<String> {
        self.try_add(&[(ID, order.as_bytes()), ("payload", order.as_bytes())]).await
    }

    pub(crate) async fn dead_letters(&self) -> Vec<Fields> {
        let letters: Vec<(String, Fields)> = self.ask(&["XRANGE", &self.dead, "-", "+"]).await;
        letters.into_iter().map(|(_, fields)| fields).collect()
    }

    /// The pending entries: id, consumer, idle time and deliveries.
    pub(crate) async fn pending(&self) -> Vec<(String, String, u64, u64)> {
        self.ask(&["XPENDING", &self.stream, GROUP, "-", "+", "1000"]).await
    }

    /// How many consumers the group has.
    pub(crate) async fn members(&self) -> usize {
        let members: Vec<Value> = self.ask(&["XINFO", "CONSUMERS", &self.stream, GROUP]).await;
        members.len()
    }

    /// Waits until this many messages were added, and all are settled.
    pub(crate) async fn until_settled(&self, messages: usize) {
        let settled = async {
            loop {
                let read: usize = self.read().await;
                if read >= messages && self.pending().await.is_empty() {
                    return;
                }
                tokio::time::sleep(millis(20)).await;
            }
        };
        tokio::time::timeout(secs(60), settled).await.expect("all is settled");
    }

    /// How many messages the group has read.
    async fn read(&self) -> usize {
        let groups: Vec<std::collections::HashMap<String, Value>> =
            self.ask(&["XINFO", "GROUPS", &self.stream]).await;
        let read = groups.first().and_then(|group| group.get("entries-read").cloned());
        read.map_or(0, |read| redis::from_redis_value(read).unwrap_or(0))
    }
}

/// A field's value; empty if there is none.
pub(crate) fn field<'a>(fields: &'a Fields, name: &str) -> &'a str {
    let found = fields.iter().find(|(given, _)| given == name);
    found.map_or("", |(_, value)| std::str::from_utf8(value).unwrap())
}

#[async_trait::async_trait]
impl SourceSubject for Streams {
    async fn connect(&self) -> Box<dyn Source> {
        // Messages without an id are parked where a field is named.
        Box::new(self.source_of(None))
    }

    async fn publish(&self, id: Option<&str>, payload: &[u8]) {
        let id = id.map(|id| (MESSAGE_ID, id.as_bytes()));
        let fields: Vec<_> = id.into_iter().chain([("payload", payload)]).collect();
        self.add(&fields).await;
    }

    async fn parked(&self) -> Vec<(String, Vec<u8>)> {
        let letters = self.dead_letters().await.into_iter();
        letters
            .map(|fields| {
                let payload = fields.iter().find(|(name, _)| name == "payload").unwrap();
                (field(&fields, MESSAGE_ID).to_owned(), payload.1.clone())
            })
            .collect()
    }

    fn deadline(&self) -> Duration {
        self.min_idle
    }

    fn patience(&self) -> Duration {
        secs(30)
    }
}

/// A store's connections to a group that sentinels watch.
pub(crate) async fn through_sentinels(sentinels: Vec<String>, name: &str) -> RedisStore {
    RedisStore::builder(RedisSource::sentinel(sentinels, name))
        .response_timeout(millis(500))
        .connect()
        .await
        .unwrap()
}

/// A connection whose answers may take as long as they do.
pub(crate) async fn patient_connection(client: &redis::Client) -> MultiplexedConnection {
    let patient = AsyncConnectionConfig::new();
    let patient = patient.set_response_timeout(None).set_connection_timeout(None);
    client.get_multiplexed_async_connection_with_config(&patient).await.unwrap()
}
