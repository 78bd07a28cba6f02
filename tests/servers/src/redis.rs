//! One server that speaks Redis' protocol: Redis itself, or Valkey.

use std::ffi::OsString;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::controls::controls;
use crate::folder::Folder;
use crate::node::Node;
use crate::port::Port;
use crate::process::blocking;
use crate::resp::Reply;
use crate::server::Server;
use crate::tls::{self, Certificate};

/// Which server, in which version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Flavor {
    /// The `redis-server` of the machine, 7.0 on Debian 12: no `SET … IFEQ`, no `DELIFEQ`.
    #[default]
    Redis,
    /// Valkey 8.1: `SET … IFEQ`, no `DELIFEQ`.
    Valkey81,
    /// Valkey 9.1: `SET … IFEQ` and `DELIFEQ`.
    Valkey91,
}

impl Flavor {
    /// What a test that starts it has to [`require!`](crate::require).
    #[must_use]
    pub fn server(self) -> Server {
        match self {
            Flavor::Redis => Server::Redis,
            Flavor::Valkey81 => Server::Valkey81,
            Flavor::Valkey91 => Server::Valkey91,
        }
    }
}

/// What becomes of a server's data over a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Data {
    /// What the server had written to its folder is there again. Without
    /// [`persistent_aof`](RedisBuilder::persistent_aof) that is nothing.
    Keep,
    /// The server comes back empty, as after the loss of its disk. A cluster's node still knows its
    /// name, its slots and its peers.
    Drop,
}

/// A running server on a free port of 127.0.0.1, with a folder of its own. Dropping it stops it
/// with `kill -9` and removes the folder.
///
/// ```no_run
/// # use idempotent_servers::{Data, Redis};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let redis = Redis::builder().persistent_aof().start().await;
/// redis.cli(&["SET", "order", "7"]).await;
/// redis.restart(Data::Keep).await;
/// assert_eq!(redis.cli(&["GET", "order"]).await.text(), Some("7"));
/// # }
/// ```
#[derive(Debug)]
pub struct Redis {
    pub(crate) node: Arc<Node>,
    tls: bool,
    login: String,
}

/// How a [`Redis`] is to be started; from [`Redis::builder`].
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct RedisBuilder {
    flavor: Flavor,
    arguments: Vec<OsString>,
    password: Option<String>,
    tls: bool,
    certificate: Certificate,
    client_certificates: bool,
}

impl RedisBuilder {
    /// Which server. Default: the machine's `redis-server`.
    pub fn flavor(mut self, flavor: Flavor) -> RedisBuilder {
        self.flavor = flavor;
        self
    }

    /// A setting as on the server's command line: `.arg("--maxmemory", "3mb")`.
    pub fn arg(mut self, name: &str, value: &str) -> RedisBuilder {
        self.arguments.extend([name.into(), value.into()]);
        self
    }

    /// Each write is on the disk before its answer. Default: nothing is ever written to the disk.
    pub fn persistent_aof(self) -> RedisBuilder {
        self.arg("--appendonly", "yes").arg("--appendfsync", "always")
    }

    /// A password for the user `default`; it is then part of [`Redis::url`]. Default: none.
    pub fn password(mut self, password: &str) -> RedisBuilder {
        self.password = Some(password.into());
        self
    }

    /// A user with its rules, as for `ACL SETUSER`: `.user("app", "on >secret ~order:* +@all")`.
    pub fn user(mut self, name: &str, rules: &str) -> RedisBuilder {
        self.arguments.extend(["--user".into(), name.into()]);
        self.arguments.extend(rules.split_whitespace().map(OsString::from));
        self
    }

    /// [`Redis::url`] is one of TLS, with a certificate from an authority of the server's own:
    /// [`Redis::tls_folder`]. Needs [`Server::OpenSsl`].
    pub fn tls(mut self) -> RedisBuilder {
        self.tls = true;
        self
    }

    /// As [`tls`](RedisBuilder::tls), with a certificate that may be wrong.
    pub fn tls_with(mut self, certificate: Certificate) -> RedisBuilder {
        self.certificate = certificate;
        self.tls()
    }

    /// As [`tls`](RedisBuilder::tls), and clients have to show a certificate too.
    pub fn tls_with_client_certificates(mut self) -> RedisBuilder {
        self.client_certificates = true;
        self.tls()
    }

    /// Starts the server, and waits until it answers.
    ///
    /// # Panics
    ///
    /// When the server is missing, does not take its settings or does not answer, with its log.
    pub async fn start(self) -> Redis {
        blocking(move || self.start_blocking()).await
    }

    pub(crate) fn start_blocking(self) -> Result<Redis, String> {
        let folder = Folder::new()?;
        let port = Port::reserve()?;
        let number = port.number();
        let mut arguments = self.arguments;
        let mut tls_port = None;
        let mut login = String::new();
        if let Some(password) = &self.password {
            arguments.extend(["--requirepass".into(), password.into()]);
            login = format!(":{password}@");
        }
        if self.tls {
            let clients = if self.client_certificates { "yes" } else { "no" };
            let second = Port::reserve()?;
            let certificates = tls::create(folder.path(), self.certificate)?;
            arguments.extend(tls::arguments(certificates, second.number(), clients));
            tls_port = Some(second);
        }
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, number));
        let node = Node::new(self.flavor, address, folder, &arguments, None)?
            .password(self.password)
            .owning(port)
            .owning_tls(tls_port);
        node.start()?;
        Ok(Redis { node: Arc::new(node), tls: self.tls, login })
    }
}

impl Redis {
    /// Starts the machine's `redis-server` with nothing on disk, and waits until it answers.
    ///
    /// # Panics
    ///
    /// As [`RedisBuilder::start`].
    pub async fn start() -> Redis {
        Redis::builder().start().await
    }

    /// A server with settings.
    pub fn builder() -> RedisBuilder {
        RedisBuilder::default()
    }

    pub(crate) fn of(node: Node) -> Redis {
        Redis { node: Arc::new(node), tls: false, login: String::new() }
    }

    /// Where clients find it: `redis://127.0.0.1:21000`, with the password if there is one;
    /// `rediss://…` under TLS.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        format!("{scheme}://{}{}:{}", self.login, self.node.address().ip(), self.client_port())
    }

    /// The port in [`url`](Redis::url). It stays the same over restarts.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.client_port()
    }

    /// The address in [`url`](Redis::url).
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::new(self.node.address().ip(), self.client_port())
    }

    fn client_port(&self) -> u16 {
        self.node.tls_port().unwrap_or(self.node.address().port())
    }

    /// The server's Unix socket.
    #[must_use]
    pub fn unix_socket(&self) -> PathBuf {
        self.node.folder().join("redis.sock")
    }

    /// The URL of [`unix_socket`](Redis::unix_socket).
    #[must_use]
    pub fn unix_url(&self) -> String {
        format!("redis+unix://{}", self.unix_socket().display())
    }

    /// The folder with `ca.crt`, `server.crt`, `client.crt` and `client.key`, in PEM.
    #[must_use]
    pub fn tls_folder(&self) -> &Path {
        self.node.folder()
    }

    /// `kill -9` if it runs, then starts it again on the same port with the same settings, and waits
    /// until it answers.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub async fn restart(&self, data: Data) {
        let node = Arc::clone(&self.node);
        blocking(move || node.restart(data)).await;
    }

    /// Sends one command on a connection of its own, and gives the answer.
    ///
    /// # Panics
    ///
    /// When the server cannot be asked. A refusal is a [`Reply::Error`].
    pub async fn cli(&self, command: &[&str]) -> Reply {
        match self.try_cli(command).await {
            Ok(reply) => reply,
            Err(error) => panic!("{} cannot be asked {command:?}: {error}", self.url()),
        }
    }

    /// As [`cli`](Redis::cli), for servers that may be down or frozen.
    ///
    /// # Errors
    ///
    /// When there is no connection, or no answer for 5 seconds.
    pub async fn try_cli(&self, command: &[&str]) -> io::Result<Reply> {
        let node = Arc::clone(&self.node);
        let command: Vec<String> = command.iter().map(ToString::to_string).collect();
        blocking(move || Ok(node.call(&command))).await
    }

    controls!(|redis| redis.node.process());
}
