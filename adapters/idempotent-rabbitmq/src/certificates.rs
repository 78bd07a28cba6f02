//! The options of a source for TLS: whom it trusts, and what it shows.

use lapin::tcp::OwnedIdentity;

use crate::source::RabbitMqSource;

#[cfg_attr(docsrs, doc(cfg(feature = "rustls")))]
impl RabbitMqSource {
    /// Trusts these certificate authorities, in PEM, beside those of the operating system. The URI must begin with `amqps`.
    ///
    /// TLS is rustls with the process's default cryptography provider. If the application has installed none, *ring* is.
    ///
    /// ```no_run
    /// # fn source() -> std::io::Result<idempotent_rabbitmq::RabbitMqSource> {
    /// use idempotent_rabbitmq::RabbitMqSource;
    ///
    /// let source = RabbitMqSource::new("amqps://rabbit.internal/%2f", "orders")
    ///     .root_certificates(std::fs::read_to_string("/etc/rabbit/ca.crt")?)
    ///     .client_certificate(
    ///         std::fs::read("/etc/rabbit/client.crt")?,
    ///         std::fs::read("/etc/rabbit/client.key")?,
    ///     );
    /// # Ok(source) }
    /// ```
    pub fn root_certificates(mut self, pem: impl Into<String>) -> Self {
        self.connector.tls_mut().cert_chain = Some(pem.into());
        self
    }

    /// Shows this certificate to the broker, whose key is beside it, both in PEM. Default: none. The user is still that of
    /// the URI, unless it has `?auth_mechanism=external`.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<Vec<u8>>,
        key: impl Into<Vec<u8>>,
    ) -> Self {
        let identity = OwnedIdentity::PKCS8 { pem: certificate.into(), key: key.into() };
        self.connector.tls_mut().identity = Some(identity);
        self
    }
}
