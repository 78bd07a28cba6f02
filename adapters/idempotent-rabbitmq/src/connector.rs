//! [`Connector`]: how connections are made, as often as one is lost.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::consumer::SourceError;
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, ErrorKind};
use tokio::time::timeout;

use crate::client_tasks::ClientTasks;
use crate::open_connection::OpenConnection;

/// How long a connection may take to be made.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
const ACCESS_REFUSED: u16 = 403;
const NOT_ALLOWED: u16 = 530;

type Connecting = Pin<Box<dyn Future<Output = lapin::Result<Connection>> + Send>>;

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    kind: Kind,
    /// Certificates, of those connections that are made by a URI.
    tls: OwnedTLSConfig,
}

#[derive(Clone)]
enum Kind {
    Uri(String),
    Function(Arc<dyn Fn() -> Connecting + Send + Sync>),
}

impl Connector {
    pub(crate) fn to_uri(uri: impl Into<String>) -> Self {
        Self::of(Kind::Uri(uri.into()))
    }

    pub(crate) fn by<F, Fut>(connect: F) -> Self
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = lapin::Result<Connection>> + Send + 'static,
    {
        Self::of(Kind::Function(Arc::new(move || Box::pin(connect()))))
    }

    fn of(kind: Kind) -> Self {
        Self { kind, tls: OwnedTLSConfig::default() }
    }

    #[cfg(feature = "rustls")]
    pub(crate) fn tls_mut(&mut self) -> &mut OwnedTLSConfig {
        &mut self.tls
    }

    fn check(&self, scheme: Option<&AMQPScheme>) -> Result<(), SourceError> {
        check(scheme, &self.tls, cfg!(feature = "rustls")).map_err(SourceError::misconfigured)
    }

    /// A new connection.
    pub(crate) async fn connect(&self) -> Result<OpenConnection, SourceError> {
        let (tasks, runtime) = ClientTasks::new();
        let connecting: Connecting = match &self.kind {
            Kind::Function(connect) => {
                self.check(None)?;
                connect()
            }
            Kind::Uri(uri) => {
                let uri: AMQPUri = uri.parse().map_err(|why: String| {
                    // Without the URI, which has a password in it.
                    SourceError::misconfigured(format!("the broker's URI cannot be read: {why}"))
                })?;
                self.check(Some(&uri.scheme))?;
                let properties = ConnectionProperties::default();
                let properties = properties.with_connection_name("idempotent-rabbitmq".into());
                let tls = self.tls.clone();
                Box::pin(Connection::connect_uri_with_config(uri, properties, tls, runtime))
            }
        };
        match timeout(CONNECTED_WITHIN, connecting).await {
            Ok(Ok(connection)) => Ok(OpenConnection::new(connection, tasks)),
            Ok(Err(error)) => Err(refused(error)),
            Err(_) => Err(SourceError::unavailable("the broker did not answer in time")),
        }
    }
}

/// Refuses what the client would pass over: certificates where there is no TLS, and TLS where it has none.
fn check(
    scheme: Option<&AMQPScheme>,
    tls: &OwnedTLSConfig,
    has_tls: bool,
) -> Result<(), &'static str> {
    let has_certificates = *tls != OwnedTLSConfig::default();
    match scheme {
        Some(AMQPScheme::AMQPS) if !has_tls => Err(
            "the broker's URI begins with `amqps`, and the client has no TLS: switch on the feature `rustls` of \
             idempotent-rabbitmq",
        ),
        Some(AMQPScheme::AMQPS) => match &tls.cert_chain {
            Some(pem) if !pem.contains("-----BEGIN CERTIFICATE-----") => Err(
                "there is no certificate in `root_certificates`: it takes PEM, and not the name of a file",
            ),
            _ => Ok(()),
        },
        Some(AMQPScheme::AMQP) if has_certificates => Err(
            "there are certificates, and the broker's URI begins with `amqp`, which is not encrypted: write `amqps`",
        ),
        None if has_certificates => Err(
            "there are certificates, and connections are made by a function: give them to the client there",
        ),
        _ => Ok(()),
    }
}

/// What a broker refuses that answers is no outage.
fn refused(error: lapin::Error) -> SourceError {
    match error.kind() {
        ErrorKind::ProtocolError(why) if [ACCESS_REFUSED, NOT_ALLOWED].contains(&why.get_id()) => {
            SourceError::misconfigured(format!("the broker refuses the connection: {why}"))
        }
        // What rustls says of a certificate, or of somebody who does not speak TLS.
        ErrorKind::IOError(why) if why.kind() == std::io::ErrorKind::InvalidData => {
            SourceError::misconfigured(format!("TLS with the broker fails: {why}"))
        }
        ErrorKind::ParsingError(why) => SourceError::misconfigured(format!(
            "what answers does not speak AMQP: does the URI need `amqps`, or another port? ({why})"
        )),
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

    /// The client itself would speak without TLS then, and send the password so.
    #[test]
    fn tls_is_refused_where_the_client_has_none() {
        let refused = check(Some(&AMQPScheme::AMQPS), &OwnedTLSConfig::default(), false);
        assert!(refused.unwrap_err().contains("feature `rustls`"));
        check(Some(&AMQPScheme::AMQP), &OwnedTLSConfig::default(), false).unwrap();
        check(Some(&AMQPScheme::AMQPS), &OwnedTLSConfig::default(), true).unwrap();
    }

    #[tokio::test]
    async fn a_password_is_in_no_text() {
        let connector = Connector::to_uri("http://guest:secret@localhost");
        let error = connector.connect().await.unwrap_err();
        assert!(!format!("{error} {error:?} {connector:?}").contains("secret"), "{error:?}");
    }
}
