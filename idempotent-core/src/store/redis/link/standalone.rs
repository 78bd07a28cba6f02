//! One server at one address.

use std::fmt;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ProtocolVersion, RedisResult};

use super::{Limits, Listener};

/// A server, by its address and login.
#[derive(Clone)]
pub(in crate::store::redis) struct Standalone(pub(in crate::store::redis) Client);

/// A connection whose answers are bounded by whoever waits for them.
pub(super) async fn multiplexed(
    client: &Client,
    listener: Option<Listener>,
    limits: Limits,
) -> RedisResult<MultiplexedConnection> {
    let mut config = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(limits.connect))
        .set_response_timeout(None);
    let Some(listener) = listener else {
        return client.get_multiplexed_async_connection_with_config(&config).await;
    };
    config = config.set_push_sender(listener);
    let info = client.get_connection_info().clone();
    let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    let client = Client::open(info.set_redis_settings(settings))?;
    client.get_multiplexed_async_connection_with_config(&config).await
}

impl fmt::Debug for Standalone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Standalone({})", self.0.get_connection_info().addr())
    }
}
