//! Redis Streams. By hand: `XREADGROUP` on a connection of its own, and `XACK` of each message on another.

use std::time::{Duration, Instant};

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use idempotent_core::Idempotency;
use idempotent_core::backends::RedisStore;
use idempotent_core::consumer::redis_streams::{RedisStreamSource, StartAt};
use idempotent_servers::Redis;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::streams::{StreamId, StreamReadReply};
use redis::{Client, IntoConnectionInfo as _, RedisResult};

use super::{Broker, MESSAGES, RedisByHand, ours};
use crate::{BYTES, CONCURRENCY, Failure, id};

const GROUP: &str = "warehouse";

pub(super) struct Streams {
    store: RedisStore,
    client: Client,
    commands: MultiplexedConnection,
    _server: Redis,
}

impl Streams {
    pub(super) async fn start() -> Result<Self, Failure> {
        let server = Redis::start().await;
        let info = server.url().into_connection_info()?;
        // As a store sets it.
        let client = Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))?;
        let commands = client.get_multiplexed_async_connection().await?;
        let store = RedisStore::connect(server.url()).await?;
        Ok(Self { store, client, commands, _server: server })
    }

    async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> RedisResult<T> {
        let mut command = redis::Cmd::new();
        for word in words {
            command.arg(*word);
        }
        command.query_async(&mut self.commands.clone()).await
    }
}

fn name(turn: usize) -> String {
    format!("orders-{turn}")
}

async fn read(reader: &mut MultiplexedConnection, name: &str) -> RedisResult<Vec<StreamId>> {
    let mut read = redis::cmd("XREADGROUP");
    read.arg("GROUP").arg(GROUP).arg("by-hand").arg("COUNT").arg(CONCURRENCY);
    read.arg("BLOCK").arg(400).arg("STREAMS").arg(name).arg(">");
    let reply: Option<StreamReadReply> = read.query_async(reader).await?;
    Ok(reply.into_iter().flat_map(|reply| reply.keys).flat_map(|key| key.ids).collect())
}

impl Broker for Streams {
    const NAME: &'static str = "Redis Streams, Redis 7.0";

    async fn fill(&self, turn: usize) -> Result<(), Failure> {
        let (name, payload) = (name(turn), "x".repeat(BYTES));
        self.ask::<()>(&["XGROUP", "CREATE", &name, GROUP, "0", "MKSTREAM"]).await?;
        let add = async |message| {
            let id = id(turn, message);
            self.ask::<String>(&["XADD", &name, "*", "id", &id, "payload", &payload])
                .await
                .map(drop)
        };
        let adding = stream::iter(0..MESSAGES).map(add);
        adding.buffer_unordered(CONCURRENCY).try_collect::<()>().await?;
        Ok(())
    }

    async fn bare(&self, turn: usize, records: Option<&RedisByHand>) -> Result<Duration, Failure> {
        let (start, name) = (Instant::now(), name(turn));
        let reader = self.client.get_multiplexed_async_connection().await?;
        let batches = stream::try_unfold(reader, |mut reader| async {
            let batch = read(&mut reader, &name).await?;
            Ok::<_, redis::RedisError>(Some((stream::iter(batch).map(Ok::<_, Failure>), reader)))
        });
        batches
            .map_err(Failure::from)
            .try_flatten()
            .take(MESSAGES)
            .try_for_each_concurrent(CONCURRENCY, |entry| {
                let name = &name;
                async move {
                    if let Some(records) = records {
                        let id: String = entry.get("id").ok_or("it has no id")?;
                        assert!(records.handle(&id).await?, "it comes once");
                    }
                    Ok(self.ask::<()>(&["XACK", name, GROUP, &entry.id]).await?)
                }
            })
            .await?;
        Ok(start.elapsed())
    }

    async fn consume(&self, turn: usize, engine: &Idempotency) -> Result<Duration, Failure> {
        let source = RedisStreamSource::new(&self.store, name(turn), GROUP)
            .create_group(StartAt::Oldest)
            .id_field("id")
            .dead_letters("dead");
        ours::handle(source, engine).await
    }

    async fn clear(&self, turn: usize) -> Result<(), Failure> {
        self.ask::<()>(&["DEL", &name(turn)]).await?;
        Ok(())
    }
}
