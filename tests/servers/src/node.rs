//! A process that speaks Redis' protocol, and our own connection to it. Blocking: what users see is
//! in `redis`, `cluster` and `sentinel`.

use std::ffi::OsString;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::folder::Folder;
use crate::netns::Space;
use crate::port::Port;
use crate::process::Process;
use crate::redis::{Data, Flavor};
use crate::resp::{Connection, Reply};

const CONNECT: Duration = Duration::from_secs(2);
const ANSWER: Duration = Duration::from_secs(5);

/// One server's process and where it listens.
#[derive(Debug)]
pub(crate) struct Node {
    // Before the ports, so that these are given back when the server is gone.
    process: Process,
    address: SocketAddr,
    space: Option<Arc<Space>>,
    password: Option<String>,
    tls_port: Option<Port>,
    _port: Option<Port>,
}

impl Node {
    /// A server that is not started yet, with `arguments` after the harness's own.
    pub(crate) fn new(
        flavor: Flavor,
        address: SocketAddr,
        folder: Folder,
        arguments: &[OsString],
        space: Option<Arc<Space>>,
    ) -> Result<Node, String> {
        let mut command: Vec<OsString> = Vec::new();
        command.extend(space.iter().flat_map(|space| space.enter()));
        command.push(flavor.server().path()?.into());
        let settings = [
            ("--port", address.port().to_string()),
            ("--bind", address.ip().to_string()),
            ("--dir", folder.path().display().to_string()),
            ("--logfile", folder.path().join("log").display().to_string()),
            ("--unixsocket", folder.path().join("redis.sock").display().to_string()),
            ("--save", String::new()),
            ("--appendonly", "no".into()),
            ("--enable-debug-command", "local".into()),
        ];
        for (name, value) in settings {
            command.extend([OsString::from(name), value.into()]);
        }
        if space.is_some() {
            // Where a cut can tell it from the others.
            command.extend(["--bind-source-addr".into(), address.ip().to_string().into()]);
            // Which takes 127.0.0.1 alone for this machine.
            command.extend(["--protected-mode".into(), "no".into()]);
        }
        command.extend_from_slice(arguments);
        let node = Node::of(address, folder, &command)?;
        Ok(Node { space, ..node })
    }

    /// A server with a command line of its own.
    pub(crate) fn of(
        address: SocketAddr,
        folder: Folder,
        command: &[OsString],
    ) -> Result<Node, String> {
        let process = Process::new("redis-server", folder, command)?;
        Ok(Node { process, address, space: None, password: None, tls_port: None, _port: None })
    }

    pub(crate) fn password(mut self, password: Option<String>) -> Node {
        self.password = password;
        self
    }

    pub(crate) fn owning(mut self, port: Port) -> Node {
        self._port = Some(port);
        self
    }

    pub(crate) fn owning_tls(mut self, port: Option<Port>) -> Node {
        self.tls_port = port;
        self
    }

    pub(crate) fn process(&self) -> &Process {
        &self.process
    }

    pub(crate) fn folder(&self) -> &Path {
        self.process.folder()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn tls_port(&self) -> Option<u16> {
        self.tls_port.as_ref().map(Port::number)
    }

    /// Starts the process and waits for its PONG.
    pub(crate) fn start(&self) -> Result<(), String> {
        self.process.start(|| {
            // A server that still loads its file answers with an error.
            matches!(self.call(&["PING"]), Ok(Reply::Text(text)) if text == "PONG")
        })
    }

    pub(crate) fn restart(&self, data: Data) -> Result<(), String> {
        self.process.kill()?;
        if data == Data::Drop {
            self.drop_data().map_err(|error| format!("cannot remove data: {error}"))?;
        }
        self.start()
    }

    fn drop_data(&self) -> io::Result<()> {
        for entry in std::fs::read_dir(self.folder())? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if path.is_dir() {
                std::fs::remove_dir_all(&path)?;
            } else if name.ends_with(".rdb") || name.ends_with(".aof") {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    /// One command on a connection of its own.
    pub(crate) fn call<A: AsRef<str>>(&self, command: &[A]) -> io::Result<Reply> {
        self.call_within(ANSWER, command)
    }

    /// As `call`, for a node that may be frozen or cut off.
    pub(crate) fn call_within<A: AsRef<str>>(
        &self,
        patience: Duration,
        command: &[A],
    ) -> io::Result<Reply> {
        let connect = || TcpStream::connect_timeout(&self.address, patience.min(CONNECT));
        let stream = match &self.space {
            Some(space) => space.inside(connect).map_err(io::Error::other)?,
            None => connect(),
        }?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let mut connection = Connection::new(stream);
        if let Some(password) = &self.password {
            connection.call(&["AUTH", password])?;
        }
        connection.call(command)
    }
}
