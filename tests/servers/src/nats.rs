//! NATS with `JetStream`.

use std::ffi::OsString;
use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::controls::controls;
use crate::folder::Folder;
use crate::port::Port;
use crate::process::{Process, blocking};
use crate::server::Server;
use crate::tls::{self, Certificate};

const ANSWER: Duration = Duration::from_secs(5);

/// A running NATS server with `JetStream` on a free port of 127.0.0.1. Dropping it stops it with
/// `kill -9` and removes its streams.
///
/// ```no_run
/// # use idempotent_servers::Nats;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let nats = Nats::start().await;
/// println!("{}", nats.url());
/// # }
/// ```
#[derive(Debug)]
pub struct Nats {
    // Before the port, which is given back when the server is gone.
    process: Arc<Process>,
    port: Port,
}

impl Nats {
    /// Starts the server, and waits until it greets.
    ///
    /// # Panics
    ///
    /// When the server is missing or does not answer, with its log.
    pub async fn start() -> Nats {
        Nats::start_version(Server::Nats).await
    }

    /// The same of a version: [`Server::Nats`] or [`Server::Nats215`].
    ///
    /// # Panics
    ///
    /// As [`start`](Nats::start).
    pub async fn start_version(version: Server) -> Nats {
        blocking(move || Nats::start_blocking(version, None)).await
    }

    /// The same with TLS, which clients have to use, and this certificate from an authority in
    /// [`tls_folder`](Nats::tls_folder). Needs [`Server::OpenSsl`].
    ///
    /// # Panics
    ///
    /// As [`start`](Nats::start).
    pub async fn start_with_tls(certificate: Certificate) -> Nats {
        blocking(move || Nats::start_blocking(Server::Nats, Some(certificate))).await
    }

    fn start_blocking(version: Server, certificate: Option<Certificate>) -> Result<Nats, String> {
        let folder = Folder::new()?;
        let port = Port::reserve()?;
        let mut command: Vec<OsString> = vec![version.path()?.into()];
        for word in ["--addr", "127.0.0.1", "--jetstream", "--port"] {
            command.push(word.into());
        }
        command.extend([port.number().to_string().into(), "--store_dir".into()]);
        command.push(folder.path().join("streams").into());
        if let Some(certificate) = certificate {
            tls::create(folder.path(), certificate)?;
            command.extend(["--tls".into(), "--tlscert".into()]);
            command.push(folder.path().join("server.crt").into());
            command.extend(["--tlskey".into(), folder.path().join("server.key").into()]);
        }
        let process = Arc::new(Process::new("nats-server", folder, &command)?);
        let nats = Nats { process, port };
        start(&nats.process, nats.address())?;
        Ok(nats)
    }

    /// Where clients find it: `nats://127.0.0.1:21000`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    /// Where the certificates are: `ca.crt` is that of the authority.
    #[must_use]
    pub fn tls_folder(&self) -> &Path {
        self.process.folder()
    }

    /// The address in [`url`](Nats::url). It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// `kill -9` if it runs, then starts it again on the same port with the streams it had on the
    /// disk, and waits until it greets.
    ///
    /// # Panics
    ///
    /// When it does not come back.
    pub async fn restart(&self) {
        let (process, address) = (Arc::clone(&self.process), self.address());
        blocking(move || {
            process.kill()?;
            start(&process, address)
        })
        .await;
    }

    controls!(|nats| nats.process);
}

fn start(process: &Process, address: SocketAddr) -> Result<(), String> {
    process.start(|| {
        let Ok(mut stream) = TcpStream::connect(address) else { return false };
        let mut greeting = [0; 5];
        stream.set_read_timeout(Some(ANSWER)).is_ok()
            && stream.read_exact(&mut greeting).is_ok()
            && greeting == *b"INFO "
    })
}
