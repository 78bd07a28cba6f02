//! Reading a URL, what has to be prepared for a TLS connection, and a warning if there will be none.

use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo, RedisResult};
use rustls::crypto::CryptoProvider;

use crate::backends::shared::local_host::is_local;
use crate::backends::shared::url_problem::scheme_problem;

const SCHEMES: &[&str] =
    &["redis", "rediss", "valkey", "valkeys", "unix", "redis+unix", "valkey+unix"];

/// The server that a URL names, with `TCP_NODELAY` set.
pub(in crate::backends::redis) fn parse_url(url: &str) -> RedisResult<ConnectionInfo> {
    if let Some(problem) = scheme_problem(url, "redis", SCHEMES) {
        return Err((ErrorKind::InvalidClientConfig, "the URL is invalid", problem).into());
    }
    let info = url.into_connection_info()?;
    prepare_tls(&info);
    warn_if_plain(&info);
    Ok(info.set_tcp_settings(TcpSettings::default().set_nodelay(true)))
}

/// The scheme says that there is no TLS, so that is no mistake of ours. Still, it may be one.
fn warn_if_plain(info: &ConnectionInfo) {
    if let ConnectionAddr::Tcp(host, _) = info.addr() {
        if !is_local(host) {
            tracing::warn!(
                host,
                "redis is on another machine and spoken to in plain text, its password included: write \
                 `rediss://` for TLS, unless nobody else can reach that network"
            );
        }
    }
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
