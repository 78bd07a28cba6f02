//! [`Connector`]: how connections are made, as often as one is lost.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::consumer::SourceError;
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, ErrorKind};
use tokio::time::timeout;

/// How long a connection may take to be made.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;

type Connecting = Pin<Box<dyn Future<Output = lapin::Result<Connection>> + Send>>;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector(Kind);

#[derive(Clone)]
enum Kind {
    Uri(String),
    Function(Arc<dyn Fn() -> Connecting + Send + Sync>),
}

impl Connector {
    pub(crate) fn to_uri(uri: impl Into<String>) -> Self {
        Self(Kind::Uri(uri.into()))
    }

    pub(crate) fn by<F, Fut>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = lapin::Result<Connection>> + Send + 'static,
    {
        Self(Kind::Function(Arc::new(move || Box::pin(connect()))))
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<Connection, SourceError> {
        let connecting: Connecting = match &self.0 {
            Kind::Function(connect) => connect(),
            Kind::Uri(uri) => {
                let uri: AMQPUri = uri.parse().map_err(|why: String| {
                    // Without the URI, which has a password in it.
                    SourceError::misconfigured(format!("the broker's URI cannot be read: {why}"))
                })?;
                let properties = ConnectionProperties::default();
                let properties = properties.with_connection_name("idempotent-rabbitmq".into());
                Box::pin(Connection::connect_uri(uri, properties))
            }
        };
        match timeout(CONNECTED_WITHIN, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(refused(error)),
            Err(_) => Err(SourceError::unavailable("the broker did not answer in time")),
        }
    }
}

/// What a broker refuses that answers is no outage.
fn refused(error: lapin::Error) -> SourceError {
    match error.kind() {
        ErrorKind::ProtocolError(why) if [ACCESS_REFUSED, NOT_ALLOWED].contains(&why.get_id()) => {
            SourceError::misconfigured(format!("the broker refuses the connection: {why}"))
        }
        _ => SourceError::unavailable(error),
    }
}

impl fmt::Debug for Connector {
    /// Without the URI, which has a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_in_no_text() {
        let connector = Connector::to_uri("http://guest:secret@localhost");
        let error = connector.connect().await.unwrap_err();
        assert!(!format!("{error} {error:?} {connector:?}").contains("secret"), "{error:?}");
    }
}
