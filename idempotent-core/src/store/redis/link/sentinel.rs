//! A group that Sentinel watches: the sentinels are asked who the primary is, each time anew.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisResult, TlsCertificates};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::Limits;
use super::switch::Replaced;
use crate::store::redis::error::timed_out;
use crate::store::redis::target::Login;

/// Asking the sentinels and then the primary takes several connections.
const CONNECTIONS: u32 = 3;

/// A group, by its sentinels and the name they know it by.
pub(in crate::store::redis) struct Watched {
    group: String,
    sentinels: Vec<Client>,
    client: Mutex<SentinelClient>,
    replaced: Replaced,
}

impl Watched {
    /// The group's servers speak TLS if its sentinels do.
    pub(in crate::store::redis) fn new(
        sentinels: &[ConnectionInfo],
        group: String,
        login: &Login,
        certificates: Option<&TlsCertificates>,
    ) -> RedisResult<Self> {
        let addresses = sentinels.iter().map(|sentinel| sentinel.addr().clone());
        let settings = || TcpSettings::default().set_nodelay(true);
        let mut builder =
            SentinelClientBuilder::new(addresses, &group, SentinelServerType::Master)?
                .set_client_to_redis_tcp_settings(settings())
                .set_client_to_sentinel_tcp_settings(settings());
        if let Some(first) = sentinels.first() {
            if matches!(first.addr(), ConnectionAddr::TcpTls { .. }) {
                builder = builder.set_client_to_redis_tls_mode(redis::TlsMode::Secure);
            }
            let at_sentinel = first.redis_settings();
            if let Some(username) = at_sentinel.username() {
                builder = builder.set_client_to_sentinel_username(username);
            }
            if let Some(password) = at_sentinel.password() {
                builder = builder.set_client_to_sentinel_password(password);
            }
        }
        if let Some(username) = &login.username {
            builder = builder.set_client_to_redis_username(username);
        }
        if let Some(password) = &login.password {
            builder = builder.set_client_to_redis_password(password);
        }
        if let Some(database) = login.database {
            builder = builder.set_client_to_redis_db(database);
        }
        if let Some(certificates) = certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        let sentinels = sentinels.iter().map(|info| match certificates {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates.clone()),
            None => Client::open(info.clone()),
        });
        let sentinels = sentinels.collect::<RedisResult<_>>()?;
        let client = Mutex::new(builder.build()?);
        Ok(Self { group, sentinels, client, replaced: Replaced::default() })
    }

    pub(super) fn group(&self) -> &str {
        &self.group
    }

    pub(super) fn sentinels(&self) -> &[Client] {
        &self.sentinels
    }

    pub(super) const fn replaced(&self) -> &Replaced {
        &self.replaced
    }

    /// The server that the sentinels and the server itself say is the primary.
    pub(super) async fn primary(&self, limits: Limits) -> RedisResult<Client> {
        let ask = async { self.client.lock().await.async_get_client().await };
        let asked = timeout(limits.connect * CONNECTIONS, ask).await;
        let client = asked.unwrap_or_else(|_| Err(timed_out()))?;
        if self.replaced.is(client.get_connection_info().addr()) {
            return Err((
                ErrorKind::MasterNameNotFoundBySentinel,
                "the sentinels do not agree yet on the new primary",
            )
                .into());
        }
        Ok(client)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sentinel({})", self.group)
    }
}
