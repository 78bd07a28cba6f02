//! Reading a URL, and what has to be prepared for a TLS connection.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisResult};
use rustls::crypto::CryptoProvider;

/// The server that a URL names, with `TCP_NODELAY` set.
pub(in crate::backends::redis) fn parse_url(url: &str) -> RedisResult<ConnectionInfo> {
    let info = url.into_connection_info()?;
    prepare_tls(&info);
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// rustls panics in a process that has no cryptography provider, or several without a default. If the
/// application has chosen one, it is used; otherwise *ring* is installed.
pub(in crate::backends::redis) fn prepare_tls(info: &ConnectionInfo) {
    let is_tls = matches!(info.addr(), ConnectionAddr::TcpTls { .. });
    if is_tls && CryptoProvider::get_default().is_none() {
        // Fails only if another thread has just installed one.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}
