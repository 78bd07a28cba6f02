//! Redis Streams, each write on the disk before its answer.

use std::collections::HashMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, Result};
use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::redis_streams::{REASON, RedisStreamSource, StartAt};
use idempotent_servers::{Data, Redis};
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Cmd, FromRedisValue, Value};

use super::{Assignment, Broker, Parked, store};

pub(super) const NAME: &str = "redis-streams";
const ORDERS: &str = "orders";
const DEAD: &str = "dead";
const GROUP: &str = "warehouse";
const ID: &str = "id";
const PAYLOAD: &str = "payload";
const TIMEOUT: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis with a stream of messages and one of dead letters.
pub struct RedisStreams {
    server: Redis,
    client: ConnectionManager,
}

impl fmt::Debug for RedisStreams {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStreams").field("server", &self.server).finish_non_exhaustive()
    }
}

impl RedisStreams {
    /// Starts it.
    ///
    /// # Errors
    ///
    /// If it refuses the stream.
    pub async fn start() -> Result<Self> {
        let server = Redis::builder().persistent_aof().start().await;
        // What is written is on the disk before its answer, for which others may wait as well.
        let config = ConnectionManagerConfig::new()
            .set_response_timeout(Some(PATIENCE))
            .set_connection_timeout(Some(PATIENCE));
        let client = redis::Client::open(server.url())?;
        let client = client.get_connection_manager_with_config(config).await?;
        let broker = Self { server, client };
        broker.ask::<()>(&["XGROUP", "CREATE", ORDERS, GROUP, "0", "MKSTREAM"]).await?;
        Ok(broker)
    }

    async fn ask<T: FromRedisValue>(&self, words: &[&str]) -> Result<T> {
        let mut command = Cmd::new();
        for word in words {
            command.arg(*word);
        }
        Ok(command.query_async(&mut self.client.clone()).await?)
    }
}

/// The source of a worker.
pub(super) async fn source(assignment: &Assignment) -> Result<RedisStreamSource> {
    let url = assignment.broker_url();
    let connect = async || RedisStore::builder(url).response_timeout(TIMEOUT).connect().await;
    let redis = store::once_there(connect).await?;
    Ok(RedisStreamSource::new(&redis, ORDERS, GROUP)
        .create_group(StartAt::Oldest)
        .min_idle(assignment.deadline())
        .id_field(ID)
        .dead_letters(DEAD))
}

impl Broker for RedisStreams {
    const NAME: &'static str = NAME;

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    fn url_at(&self, address: SocketAddr) -> String {
        format!("redis://{address}")
    }

    fn kill(&self) {
        self.server.kill();
    }

    async fn restart(&self) {
        self.server.restart(Data::Keep).await;
    }

    async fn publish(&self, id: &str) -> Result<()> {
        self.ask::<String>(&["XADD", ORDERS, "*", ID, id, PAYLOAD, id]).await.map(drop)
    }

    async fn left(&self) -> Result<u64> {
        let groups: Vec<HashMap<String, Value>> = self.ask(&["XINFO", "GROUPS", ORDERS]).await?;
        let group = groups.into_iter().next().context("the group is gone")?;
        let number = |name: &str| -> Result<u64> {
            let value = group.get(name).cloned().context("a number is missing")?;
            Ok(redis::from_redis_value(value)?)
        };
        Ok(number("lag")? + number("pending")?)
    }

    async fn parked(&self) -> Result<Vec<Parked>> {
        let letters: Vec<(String, HashMap<String, String>)> =
            self.ask(&["XRANGE", DEAD, "-", "+"]).await?;
        let parked = letters.into_iter().map(|(_, fields)| {
            let field = |name: &str| fields.get(name).cloned().unwrap_or_default();
            Ok(Parked { key: field(PAYLOAD).parse()?, reason: field(REASON) })
        });
        parked.collect()
    }
}
