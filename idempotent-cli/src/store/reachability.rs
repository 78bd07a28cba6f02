//! Why a server cannot be reached as its URL says, where the library's clients do not tell, or not in an operator's words:
//! nobody listens, it speaks no TLS, or it is a server of another kind.

use std::io::ErrorKind;
use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use sqlx::postgres::PgConnectOptions;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::address::Address;
use crate::failure::{Exit, Failure};

const NO_REDIS: &str = "what answers there is no Redis or Valkey: is that its port?";

/// What clients say, and what an operator can do about it.
const IN_WORDS: [(&str, &str); 7] = [
    (
        "Address does not point to a sentinel node",
        "no sentinel answers there: name the sentinels, whose port is 26379 unless it was changed, or write redis:// for \
         the server itself",
    ),
    ("MasterNameNotFoundBySentinel", "the sentinels know no group of this name"),
    ("cluster support disabled", "it is no cluster: write redis:// for one server"),
    ("Redis URL did not parse", "a host or a port in the store's URL cannot be read"),
    (
        "Failed to create initial connections - Io: Connection refused",
        "none of the nodes can be reached: connection refused",
    ),
    ("Failed to create initial connections - Io: broken pipe", NO_REDIS),
    ("the answer is not one of Redis", NO_REDIS),
];

/// The same error in an operator's words, if there are any for it.
pub(super) fn in_words(error: &str) -> Option<String> {
    let (_, words) = IN_WORDS.iter().find(|(said, _)| error.contains(said))?;
    let server = error.split_once(": ").map_or("the store", |(server, _)| server);
    Some(format!("{server}: {words}"))
}

/// How long a server has to answer a plain greeting.
const GREETING: Duration = Duration::from_secs(2);

/// The server of a URL of PostgreSQL, as an open store names it.
pub(super) fn server_at(url: &str) -> Option<String> {
    let options = url.parse::<PgConnectOptions>().ok()?;
    let database = options.get_database().unwrap_or(options.get_username());
    let port = options.get_port();
    let at = match (options.get_socket(), options.get_host()) {
        (Some(folder), _) => format!("the socket in {}, port {port}", folder.display()),
        (None, folder) if folder.starts_with('/') => format!("the socket in {folder}, port {port}"),
        (None, host) => format!("{host}:{port}"),
    };
    Some(format!("postgres at {at}, database {database}"))
}

/// Fails if nobody listens where PostgreSQL should. A pool of connections tries that again and again until its time is up.
pub(super) async fn refuse_closed_port(url: &str, limit: Duration) -> Result<(), Failure> {
    let Ok(options) = url.parse::<PgConnectOptions>() else { return Ok(()) };
    let (host, port) = (options.get_host(), options.get_port());
    if options.get_socket().is_some() || host.starts_with('/') {
        return Ok(());
    }
    match timeout(limit, TcpStream::connect((host, port))).await {
        Ok(Err(error)) if error.kind() == ErrorKind::ConnectionRefused => Err(Failure::new(
            Exit::Unavailable,
            format!(
                "postgres at {host}:{port}: the connection was refused: does the server run, and is that its port?"
            ),
        )),
        // What else is wrong, the library says.
        _ => Ok(()),
    }
}

/// Fails if what answers where PostgreSQL should is something else. PostgreSQL says at once whether it speaks TLS; others do
/// not know the question, and answer once its line has an end, or once they are asked in their own words.
pub(super) async fn refuse_other_server(url: &str) -> Result<(), Failure> {
    let Ok(options) = url.parse::<PgConnectOptions>() else { return Ok(()) };
    let (host, port) = (options.get_host(), options.get_port());
    if options.get_socket().is_some() || host.starts_with('/') {
        return Ok(());
    }
    let ask = async {
        let mut first = [0];
        // Redis takes what begins with a null for a line that has no end yet.
        for words in [&SSL_REQUEST[..], b"PING\r\n\r\n"] {
            let mut stream = TcpStream::connect((host, port)).await.ok()?;
            stream.write_all(words).await.ok()?;
            if let Ok(read) = timeout(GREETING, stream.read_exact(&mut first)).await {
                return read.ok().map(|_| first[0]);
            }
        }
        None
    };
    match timeout(GREETING * 3, ask).await {
        // Yes, no, or an error of versions that do not know the question.
        Ok(Some(b'S' | b'N' | b'E') | None) | Err(_) => Ok(()),
        Ok(Some(_)) => Err(Failure::new(
            Exit::Unavailable,
            format!(
                "postgres at {host}:{port}: what answers there is no PostgreSQL: is that its port?"
            ),
        )),
    }
}

/// Its length, and the number of the question whether the server speaks TLS.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// The server of an address with TLS that answers without it. To a TLS greeting such a server says nothing at all: it waits
/// for the end of a line.
pub(super) async fn without_tls(address: &Address) -> Option<String> {
    let urls = match address {
        Address::Redis(url) => std::slice::from_ref(url),
        Address::Sentinel(urls, ..) | Address::Cluster(urls) => urls.as_slice(),
        Address::Postgres(_) | Address::Sqlite(_) => return None,
    };
    let info = urls.first()?.as_str().into_connection_info().ok()?;
    let ConnectionAddr::TcpTls { host, port, .. } = info.addr() else { return None };
    let greet = async {
        let mut stream = TcpStream::connect((host.as_str(), *port)).await.ok()?;
        stream.write_all(b"PING\r\n").await.ok()?;
        let mut first = [0];
        stream.read_exact(&mut first).await.ok()?;
        // A reply, or an error: that one has to log in first, for instance.
        matches!(first, [b'+' | b'-']).then(|| format!("redis at {host}:{port}"))
    };
    timeout(GREETING, greet).await.ok()?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_client_says_is_said_in_words_with_its_server() {
        let said = "redis group \"shop\" of the sentinels at 10.0.0.1:6379, database 0: it cannot be reached as configured: \
                    check the URL: Address does not point to a sentinel node - InvalidClientConfig";
        let words = in_words(said).expect("it is known");
        let server = "redis group \"shop\" of the sentinels at 10.0.0.1:6379, database 0: no sentinel answers there: ";
        assert!(words.starts_with(server), "{words}");
        assert_eq!(in_words("redis at 10.0.0.1:6379, database 0: Connection refused"), None);
    }
}
