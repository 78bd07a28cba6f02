//! Connects to one server at one address.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, PushInfo, RedisResult};

use tokio::sync::mpsc::UnboundedSender;

use super::credentials::ChangingLogin;
use super::limits::Limits;
use crate::backends::redis::error::connect_error;

/// A server, by its address and login.
#[derive(Clone)]
pub(in crate::backends::redis) struct StandaloneConnector {
    pub(in crate::backends::redis) client: Client,
    pub(in crate::backends::redis) login: Option<ChangingLogin>,
}

impl StandaloneConnector {
    /// The server, for people.
    pub(super) fn server(&self) -> String {
        let info = self.client.get_connection_info();
        format!("redis at {}, database {}", info.addr(), info.redis_settings().db())
    }
}

/// Where a connection sends the messages that it subscribed to.
pub(super) type PushSender = UnboundedSender<PushInfo>;

/// Connects, with the client's login or one that changes. The connection has no response timeout: whoever waits
/// for an answer sets one.
///
/// With a `push_sender`, it speaks RESP3 and passes every message on.
pub(in crate::backends::redis) async fn connect_multiplexed(
    client: &Client,
    login: Option<&ChangingLogin>,
    push_sender: Option<PushSender>,
    limits: Limits,
) -> RedisResult<MultiplexedConnection> {
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits.connect_timeout))
        .set_response_timeout(None);
    if let Some(login) = login {
        config =
            config.set_credentials_provider(login.for_connection(client.get_connection_info()));
    }
    let Some(push_sender) = push_sender else {
        let connected = client.get_multiplexed_async_connection_with_config(&config).await;
        return connected.map_err(connect_error);
    };
    config = config.set_push_sender(push_sender);
    let info = client.get_connection_info().clone();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(settings))?;
    let connected = client.get_multiplexed_async_connection_with_config(&config).await;
    connected.map_err(connect_error)
}

impl fmt::Debug for StandaloneConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Standalone({})", self.client.get_connection_info().addr())
    }
}
