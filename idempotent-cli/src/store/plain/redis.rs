//! Plain commands to Redis: one server, the primary that Sentinel names, or a cluster.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use idempotent_core::model::RecordId;
use idempotent_core::store::StoreError;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Cmd, ConnectionInfo, IntoConnectionInfo as _, RedisResult,
    TlsCertificates, Value,
};

use super::commands::PlainSettings;
use crate::store::address::Address;

#[derive(Clone)]
pub(super) enum RedisConnection {
    Server(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl RedisConnection {
    pub(super) async fn open(settings: &PlainSettings<'_>) -> RedisResult<Self> {
        Ok(match settings.address {
            Address::Sentinel(urls, group, database) => {
                let url = primary(settings, urls, group).await?;
                Self::Server(server(settings, &url, Some(*database)).await?)
            }
            Address::Cluster(urls) => Self::Cluster(cluster(settings, urls).await?),
            Address::Redis(url) => Self::Server(server(settings, url, None).await?),
            Address::Postgres(_) | Address::Sqlite(_) => {
                return Err((redis::ErrorKind::InvalidClientConfig, "no Redis").into());
            }
        })
    }

    /// `SET key value NX|XX PX ttl`. Returns whether it was set.
    pub(super) async fn set(
        &self,
        key: &str,
        value: &[u8],
        condition: &str,
        ttl: Duration,
    ) -> Result<bool, StoreError> {
        let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        let mut set = Cmd::new();
        set.arg("SET").arg(key).arg(value).arg(condition).arg("PX").arg(ttl);
        Ok(self.send(&set).await? == Value::Okay)
    }

    /// `GET key`. Returns whether it has a value.
    pub(super) async fn has(&self, key: &str) -> Result<bool, StoreError> {
        let mut get = Cmd::new();
        get.arg("GET").arg(key);
        Ok(self.send(&get).await? != Value::Nil)
    }

    async fn send(&self, command: &Cmd) -> Result<Value, StoreError> {
        let answer = match self.clone() {
            Self::Server(mut connection) => command.query_async(&mut connection).await,
            Self::Cluster(mut connection) => command.query_async(&mut connection).await,
        };
        answer.map_err(|error: redis::RedisError| StoreError::unavailable(error))
    }
}

/// The store's own key, so that it finds and purges the record.
pub(super) fn key(prefix: &str, id: &RecordId) -> String {
    format!("{prefix}{}:{}", id.operation(), URL_SAFE_NO_PAD.encode(id.hash()))
}

async fn server(
    settings: &PlainSettings<'_>,
    url: &str,
    database: Option<i64>,
) -> RedisResult<MultiplexedConnection> {
    let info = url.into_connection_info()?;
    let mut login = info.redis_settings().clone();
    if let Some(username) = settings.username {
        login = login.set_username(username);
    }
    if let Some(password) = &settings.password {
        login = login.set_password(password);
    }
    if let Some(database) = database {
        login = login.set_db(database);
    }
    let info = info.set_redis_settings(login);
    client(settings, info)?.get_multiplexed_async_connection_with_config(&config(settings)).await
}

/// A server's or a sentinel's.
fn client(settings: &PlainSettings<'_>, info: ConnectionInfo) -> RedisResult<redis::Client> {
    let info = info.set_tcp_settings(tcp_settings());
    match &settings.ca {
        Some(ca) => redis::Client::build_with_tls(info, certificates(ca)),
        None => redis::Client::open(info),
    }
}

/// As the store's own connections: without it, small commands wait for the answers to earlier ones.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}

/// Without it, a limit of half a second for an answer, and of one for a connection.
fn config(settings: &PlainSettings<'_>) -> AsyncConnectionConfig {
    AsyncConnectionConfig::new()
        .set_connection_timeout(Some(settings.limit))
        .set_response_timeout(Some(settings.limit))
}

/// The URL of the primary, as the first sentinel says that answers.
async fn primary(
    settings: &PlainSettings<'_>,
    urls: &[String],
    group: &str,
) -> RedisResult<String> {
    let mut ask = Cmd::new();
    ask.arg("SENTINEL").arg("GET-MASTER-ADDR-BY-NAME").arg(group);
    let mut failure = (redis::ErrorKind::InvalidClientConfig, "no sentinel is named").into();
    for url in urls {
        let answer: RedisResult<(String, u16)> = async {
            let client = client(settings, url.as_str().into_connection_info()?)?;
            let config = config(settings);
            let connection = client.get_multiplexed_async_connection_with_config(&config);
            ask.query_async(&mut connection.await?).await
        }
        .await;
        match answer {
            Ok((host, port)) => {
                let scheme = url.split("://").next().unwrap_or("redis");
                return Ok(format!("{scheme}://{host}:{port}"));
            }
            Err(error) => failure = error,
        }
    }
    Err(failure)
}

async fn cluster(settings: &PlainSettings<'_>, urls: &[String]) -> RedisResult<ClusterConnection> {
    let mut builder = ClusterClientBuilder::new(urls.iter().map(String::as_str))
        .tcp_settings(tcp_settings())
        .connection_timeout(settings.limit)
        .response_timeout(settings.limit);
    if let Some(username) = settings.username {
        builder = builder.username(username);
    }
    if let Some(password) = &settings.password {
        builder = builder.password(password);
    }
    if let Some(ca) = &settings.ca {
        builder = builder.certs(certificates(ca));
    }
    builder.build()?.get_async_connection().await
}

fn certificates(ca: &[u8]) -> TlsCertificates {
    TlsCertificates { client_tls: None, root_cert: Some(ca.to_vec()) }
}
