//! Where a store finds its servers, as the application says it.

use std::fmt;

use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{Client, ErrorKind, RedisResult, TlsCertificates};

#[cfg(feature = "redis-cluster")]
use super::connection::ClusterConnector;
#[cfg(feature = "redis-sentinel")]
use super::connection::SentinelConnector;
use super::connection::{
    AnyConnection, Connector, Limits, Login, StandaloneConnector, parse_url, prepare_tls,
};

/// The servers of a [`RedisStore`](super::RedisStore): a URL, a client or a connection.
///
/// | made from | it is |
/// |---|---|
/// | a URL, as `&str` or `String` | one server: `redis://`, `rediss://` for TLS, `redis+unix://` or `unix://` for a socket |
/// | `redis::Client` | the server of a client that the application has |
/// | `MultiplexedConnection`, `ConnectionManager`, `ClusterConnection` | a connection that the application has |
/// | [`RedisSource::sentinel`] | a group that Sentinel watches |
/// | [`RedisSource::cluster`] | a Redis Cluster |
///
/// ```
/// use idempotent_core::backends::{RedisSource, RedisStore};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let builder = RedisStore::builder("redis://127.0.0.1:6379");
/// let client = redis::Client::open("redis://127.0.0.1:6379")?;
/// let source = RedisSource::from(client);
/// # drop((builder, source));
/// # Ok(()) }
/// ```
///
/// # TLS
///
/// The scheme says whether to use it, and nothing else does: `rediss://` is TLS or fails, `redis://` is plain text.
/// For a server on another machine the latter is warned of in the log. TLS is rustls; it trusts the system's
/// authorities, or only those of [`root_certificates`](super::RedisStoreBuilder::root_certificates), and the
/// certificate must have the URL's host.
///
/// # Clients
///
/// The sockets of a client are set up as the client says. A store made from a URL sets `TCP_NODELAY`,
/// and clients of the crate `redis` do not by default: a small write then waits while an answer is
/// outstanding, up to a round trip, and leaves together with the writes that came meanwhile. If the
/// server is on the same machine, that saves work. Over a network it costs time: with a round trip of 4
/// milliseconds, 300 to 3,000 executions a second took 1.5 to 1.8 times as long. This client sets it:
///
/// ```no_run
/// use idempotent_core::backends::RedisStore;
/// use redis::io::tcp::TcpSettings;
/// use redis::{Client, IntoConnectionInfo};
///
/// # async fn start() -> Result<(), Box<dyn std::error::Error>> {
/// let settings = TcpSettings::default().set_nodelay(true);
/// let info = "rediss://redis.internal:6379".into_connection_info()?;
/// let client = Client::open(info.set_tcp_settings(settings))?;
/// let store = RedisStore::connect(client).await?;
/// # Ok(()) }
/// ```
///
/// # Connections
///
/// A connection's own timeouts apply in addition to those of the store. A `MultiplexedConnection` that
/// is lost stays lost, and so does one whose server is not the primary any more. A `ConnectionManager` whose
/// server says that it is a replica is made to reconnect, so that it follows its name; what the application
/// sends at that moment fails as if the connection had been lost. A connection does not tell where it leads, so the store cannot subscribe:
/// waiters for calls of other processes poll.
#[derive(Clone)]
pub struct RedisSource(Source);

#[derive(Clone)]
enum Source {
    Url(String),
    Client(Client),
    Connection(AnyConnection),
    #[cfg(feature = "redis-sentinel")]
    Sentinel {
        urls: Vec<String>,
        service_name: String,
    },
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<String>),
}

/// What [`Source::Connection`] cannot do.
const LOGGED_IN: (ErrorKind, &str) = (
    ErrorKind::InvalidClientConfig,
    "a store built on an existing connection does not log in, so it needs no credentials; build it from a URL \
     or a redis::Client",
);

impl RedisSource {
    /// A group of servers that Sentinel watches, by the URLs of some of its sentinels and the group's
    /// name.
    ///
    /// A login in these URLs is for the sentinels; that for the servers is set by
    /// [`username`](super::RedisStoreBuilder::username) and
    /// [`password`](super::RedisStoreBuilder::password). If the URLs ask for TLS, it is used for the
    /// servers too.
    ///
    /// ```no_run
    /// use idempotent_core::backends::{RedisSource, RedisStore};
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let source = RedisSource::sentinel(["rediss://sentinel.internal:26379"], "mymaster");
    /// let store = RedisStore::connect(source).await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "redis-sentinel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-sentinel")))]
    pub fn sentinel<U: Into<String>>(
        urls: impl IntoIterator<Item = U>,
        service_name: impl Into<String>,
    ) -> Self {
        let urls = urls.into_iter().map(Into::into).collect();
        Self(Source::Sentinel { urls, service_name: service_name.into() })
    }

    /// A Redis Cluster, by the URLs of some of its nodes.
    ///
    /// ```no_run
    /// use idempotent_core::backends::{RedisSource, RedisStore};
    ///
    /// # async fn start() -> Result<(), idempotent_core::store::StoreError> {
    /// let source = RedisSource::cluster(["rediss://node-1.internal", "rediss://node-2.internal"]);
    /// let store = RedisStore::connect(source).await?;
    /// # Ok(()) }
    /// ```
    #[cfg(feature = "redis-cluster")]
    #[cfg_attr(docsrs, doc(cfg(feature = "redis-cluster")))]
    pub fn cluster<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Self {
        Self(Source::Cluster(urls.into_iter().map(Into::into).collect()))
    }

    /// How to connect to it.
    #[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
    pub(super) fn connector(
        &self,
        login: &Login,
        certificates: Option<&TlsCertificates>,
        limits: Limits,
    ) -> RedisResult<Connector> {
        match &self.0 {
            Source::Url(url) => {
                let info = login.apply(parse_url(url)?);
                let client = match certificates {
                    Some(certificates) => Client::build_with_tls(info, certificates.clone())?,
                    None => Client::open(info)?,
                };
                let login = login.changing.clone();
                Ok(Connector::Standalone(StandaloneConnector { client, login }))
            }
            Source::Client(client) => {
                prepare_tls(client.get_connection_info());
                let (client, login) = (client.clone(), login.changing.clone());
                Ok(Connector::Standalone(StandaloneConnector { client, login }))
            }
            Source::Connection(_) if login.changing.is_some() => Err(LOGGED_IN.into()),
            Source::Connection(connection) => Ok(Connector::Existing(connection.clone())),
            #[cfg(feature = "redis-sentinel")]
            Source::Sentinel { urls, service_name } => {
                let sentinels =
                    urls.iter().map(|url| parse_url(url)).collect::<RedisResult<Vec<_>>>()?;
                SentinelConnector::new(sentinels, service_name.clone(), login, certificates)
                    .map(|group| Connector::Sentinel(Box::new(group)))
            }
            #[cfg(feature = "redis-cluster")]
            Source::Cluster(urls) => {
                let seeds = urls.iter().map(|url| parse_url(url).map(|info| login.apply(info)));
                let seeds = seeds.collect::<RedisResult<Vec<_>>>()?;
                ClusterConnector::new(seeds, certificates, login.changing.clone(), limits)
                    .map(|cluster| Connector::Cluster(Box::new(cluster)))
            }
        }
    }
}

/// A URL.
impl From<String> for RedisSource {
    fn from(url: String) -> Self {
        Self(Source::Url(url))
    }
}

/// A URL.
impl From<&str> for RedisSource {
    fn from(url: &str) -> Self {
        Self(Source::Url(url.to_owned()))
    }
}

/// A URL.
impl From<&String> for RedisSource {
    fn from(url: &String) -> Self {
        Self(Source::Url(url.clone()))
    }
}

impl From<Client> for RedisSource {
    fn from(client: Client) -> Self {
        Self(Source::Client(client))
    }
}

impl From<MultiplexedConnection> for RedisSource {
    fn from(connection: MultiplexedConnection) -> Self {
        Self(Source::Connection(AnyConnection::Multiplexed(connection)))
    }
}

impl From<ConnectionManager> for RedisSource {
    fn from(connection: ConnectionManager) -> Self {
        Self(Source::Connection(AnyConnection::Manager(connection)))
    }
}

#[cfg(feature = "redis-cluster")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis-cluster")))]
impl From<redis::cluster_async::ClusterConnection> for RedisSource {
    fn from(connection: redis::cluster_async::ClusterConnection) -> Self {
        Self(Source::Connection(AnyConnection::Cluster(connection)))
    }
}

impl fmt::Debug for RedisSource {
    /// Without the URLs, which may contain a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.0 {
            Source::Url(_) => "Url",
            Source::Client(_) => "Client",
            Source::Connection(_) => "Connection",
            #[cfg(feature = "redis-sentinel")]
            Source::Sentinel { .. } => "Sentinel",
            #[cfg(feature = "redis-cluster")]
            Source::Cluster(_) => "Cluster",
        };
        f.debug_tuple("RedisSource").field(&format_args!("{kind}")).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backends::redis::RedisStore;
    use crate::store::StoreErrorKind;

    const URL: &str = "redis://user:hunter2@127.0.0.1:1";

    #[test]
    fn a_source_does_not_show_its_password() {
        let client = RedisSource::from(Client::open(URL).unwrap());
        for source in [RedisSource::from(URL), URL.to_owned().into(), client] {
            let builder = format!("{:?}", RedisStore::builder(source.clone()));
            assert!(!format!("{source:?}").contains("hunter2") && !builder.contains("hunter2"));
        }
    }

    #[tokio::test]
    async fn a_url_that_cannot_be_read_is_an_error() {
        let error = RedisStore::connect("http://127.0.0.1").await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    }

    #[tokio::test]
    async fn a_server_that_is_not_there_is_an_error() {
        let builder = RedisStore::builder(URL).connect_timeout(Duration::from_secs(5));
        let error = builder.connect().await.unwrap_err();
        assert_eq!(error.kind(), StoreErrorKind::Unavailable, "{error}");
    }
}
