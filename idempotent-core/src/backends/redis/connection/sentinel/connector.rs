//! Connects to a group that Sentinel watches. The sentinels are asked for the primary each time.

use std::fmt;

use redis::io::tcp::TcpSettings;
use redis::sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType};
use redis::{Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisResult, TlsCertificates};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::replaced_primary::ReplacedPrimary;
use crate::backends::redis::connection::credentials::ChangingLogin;
use crate::backends::redis::connection::limits::Limits;
use crate::backends::redis::connection::login::Login;
use crate::backends::redis::error::timed_out;

/// To ask the sentinels and then the primary takes several connections.
const CONNECTIONS: u32 = 3;

/// A group, by its sentinels and the name that they have for it.
pub(in crate::backends::redis) struct SentinelConnector {
    service_name: String,
    sentinels: Vec<Client>,
    client: Mutex<SentinelClient>,
    settings: Settings,
    changing_login: Option<ChangingLogin>,
    replaced_primary: ReplacedPrimary,
}

/// What a client of the group is made with.
struct Settings {
    sentinels: Vec<ConnectionInfo>,
    service_name: String,
    login: Login,
    certificates: Option<TlsCertificates>,
}

impl Settings {
    /// The group's servers speak TLS if its sentinels do.
    fn client(&self, login: &Login) -> RedisResult<SentinelClient> {
        let addresses = self.sentinels.iter().map(|sentinel| sentinel.addr().clone());
        let settings = || TcpSettings::default().set_nodelay(true);
        let name = &self.service_name;
        let mut builder = SentinelClientBuilder::new(addresses, name, SentinelServerType::Master)?
            .set_client_to_redis_tcp_settings(settings())
            .set_client_to_sentinel_tcp_settings(settings());
        if let Some(first) = self.sentinels.first() {
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
        if let Some(certificates) = &self.certificates {
            builder = builder
                .set_client_to_redis_certificates(certificates.clone())
                .set_client_to_sentinel_certificates(certificates.clone());
        }
        builder.build()
    }
}

impl SentinelConnector {
    pub(in crate::backends::redis) fn new(
        sentinels: Vec<ConnectionInfo>,
        service_name: String,
        login: &Login,
        certificates: Option<&TlsCertificates>,
    ) -> RedisResult<Self> {
        let changing_login = login.changing.clone();
        let clients = sentinels.iter().map(|info| match certificates {
            Some(certificates) => Client::build_with_tls(info.clone(), certificates.clone()),
            None => Client::open(info.clone()),
        });
        let clients = clients.collect::<RedisResult<_>>()?;
        let settings = Settings {
            sentinels,
            service_name: service_name.clone(),
            login: login.clone(),
            certificates: certificates.cloned(),
        };
        Ok(Self {
            service_name,
            sentinels: clients,
            client: Mutex::new(settings.client(login)?),
            settings,
            changing_login,
            replaced_primary: ReplacedPrimary::default(),
        })
    }

    pub(in crate::backends::redis::connection) const fn changing_login(
        &self,
    ) -> Option<&ChangingLogin> {
        self.changing_login.as_ref()
    }

    /// The group, for people.
    pub(in crate::backends::redis::connection) fn servers(&self) -> String {
        let of = |sentinel: &ConnectionInfo| sentinel.addr().to_string();
        let sentinels: Vec<_> = self.settings.sentinels.iter().map(of).collect();
        let database = self.settings.login.database.unwrap_or_default();
        let (name, sentinels) = (&self.service_name, sentinels.join(", "));
        format!("redis group {name:?} of the sentinels at {sentinels}, database {database}")
    }

    pub(super) fn service_name(&self) -> &str {
        &self.service_name
    }

    pub(super) fn sentinels(&self) -> &[Client] {
        &self.sentinels
    }

    pub(super) const fn replaced_primary(&self) -> &ReplacedPrimary {
        &self.replaced_primary
    }

    /// A client of the server that is the primary, both by the sentinels' word and by its own.
    pub(in crate::backends::redis::connection) async fn primary(
        &self,
        limits: Limits,
    ) -> RedisResult<Client> {
        let find = async {
            let mut client = self.client.lock().await;
            if let Some(changing) = &self.changing_login {
                // The primary is asked whether it is one, which needs a login, too.
                let mut login = self.settings.login.clone();
                let auth = changing.login(login.username.as_deref()).await?;
                login.username = Some(auth.username().to_owned());
                login.password = Some(auth.password().to_owned());
                *client = self.settings.client(&login)?;
            }
            client.async_get_client().await
        };
        let found = timeout(limits.connect_timeout * CONNECTIONS, find).await;
        let client = found.unwrap_or_else(|_| Err(timed_out()))?;
        if self.replaced_primary.is(client.get_connection_info().addr()) {
            return Err((
                ErrorKind::MasterNameNotFoundBySentinel,
                "the sentinels do not agree on the new primary yet",
            )
                .into());
        }
        Ok(client)
    }
}

impl fmt::Debug for SentinelConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sentinel({})", self.service_name)
    }
}
