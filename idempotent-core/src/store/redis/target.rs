//! What a store is to connect to, as it was told: URLs, a login and certificates, or what the
//! application already has.

use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult, TlsCertificates,
};
use rustls::crypto::CryptoProvider;

use super::link::{Connection, Limits, Source, Standalone};

#[derive(Clone)]
pub(super) enum Target {
    Url(String),
    Client(Client),
    Connection(Connection),
    #[cfg(feature = "redis-sentinel")]
    Sentinel {
        urls: Vec<String>,
        group: String,
    },
    #[cfg(feature = "redis-cluster")]
    Cluster(Vec<String>),
}

/// Who we are to the servers, where the URLs do not say.
#[derive(Clone, Default)]
pub(super) struct Login {
    pub(super) username: Option<String>,
    pub(super) password: Option<String>,
    pub(super) database: Option<i64>,
}

impl Target {
    #[cfg_attr(not(feature = "redis-cluster"), allow(unused_variables))]
    pub(super) fn source(
        &self,
        login: &Login,
        certificates: Option<&TlsCertificates>,
        limits: Limits,
    ) -> RedisResult<Source> {
        match self {
            Self::Url(url) => standalone(url, login, certificates),
            Self::Client(client) => {
                prepare_tls(client.get_connection_info());
                Ok(Source::Standalone(Standalone(client.clone())))
            }
            Self::Connection(connection) => Ok(Source::Given(connection.clone())),
            #[cfg(feature = "redis-sentinel")]
            Self::Sentinel { urls, group } => {
                let sentinels =
                    urls.iter().map(|url| parse(url)).collect::<RedisResult<Vec<_>>>()?;
                super::link::Watched::new(&sentinels, group.clone(), login, certificates)
                    .map(Source::Sentinel)
            }
            #[cfg(feature = "redis-cluster")]
            Self::Cluster(urls) => {
                let seeds = urls.iter().map(|url| parse(url).map(|info| login.apply(info)));
                let seeds = seeds.collect::<RedisResult<Vec<_>>>()?;
                super::link::Cluster::new(seeds, certificates, limits)
                    .map(|cluster| Source::Cluster(Box::new(cluster)))
            }
        }
    }
}

fn standalone(
    url: &str,
    login: &Login,
    certificates: Option<&TlsCertificates>,
) -> RedisResult<Source> {
    let info = login.apply(parse(url)?);
    let client = match certificates {
        Some(certificates) => Client::build_with_tls(info, certificates.clone())?,
        None => Client::open(info)?,
    };
    Ok(Source::Standalone(Standalone(client)))
}

fn parse(url: &str) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?;
    prepare_tls(&info);
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// rustls panics when a process has no cryptography, or several and no choice among them. The
/// application's choice stands; where there is none, it is *ring*.
fn prepare_tls(info: &ConnectionInfo) {
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls && CryptoProvider::get_default().is_none() {
        // Fails only when somebody was faster, and then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

impl Login {
    fn apply(&self, info: ConnectionInfo) -> ConnectionInfo {
        let mut settings = info.redis_settings().clone();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        if let Some(database) = self.database {
            settings = settings.set_db(database);
        }
        info.set_redis_settings(settings)
    }
}
