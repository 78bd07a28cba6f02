//! nginx, with a configuration of the test's.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use crate::controls::controls;
use crate::folder::Folder;
use crate::port::Port;
use crate::process::{Process, blocking};
use crate::server::Server;

/// A running nginx on a free port of 127.0.0.1. Dropping it stops it with `kill -9`.
///
/// ```no_run
/// # use idempotent_servers::Nginx;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let nginx = Nginx::start(|port| format!(
///     "upstream shop {{ server 127.0.0.1:3001; server 127.0.0.1:3002; }}
///      server {{
///          listen 127.0.0.1:{port};
///          location / {{
///              proxy_pass http://shop;
///              proxy_read_timeout 1s;
///              proxy_next_upstream error timeout non_idempotent;
///          }}
///      }}"
/// )).await;
/// println!("{}/orders", nginx.url());
/// # }
/// ```
#[derive(Debug)]
pub struct Nginx {
    // Before the port, which is given back when the server is gone.
    process: Arc<Process>,
    port: Port,
}

impl Nginx {
    /// Starts nginx, and waits until it listens. `http` makes the contents of the `http` block, which
    /// has to listen on the port of 127.0.0.1 that it is given.
    ///
    /// # Panics
    ///
    /// When nginx is missing or does not take its configuration, with its log.
    pub async fn start(http: impl FnOnce(u16) -> String) -> Nginx {
        let start = Port::reserve().map(|port| (http(port.number()), port));
        blocking(move || start.and_then(|(http, port)| Nginx::start_blocking(&http, port))).await
    }

    fn start_blocking(http: &str, port: Port) -> Result<Nginx, String> {
        let program = Server::Nginx.path()?;
        let folder = Folder::new()?;
        let place = folder.path().display();
        let places: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|name| format!("{name}_temp_path {place}/{name};\n"))
            .concat();
        let text = format!(
            "daemon off;\nworker_processes 1;\npid {place}/pid;\nerror_log {place}/log info;\n\
             events {{ worker_connections 512; }}\n\
             http {{\naccess_log off;\n{places}{http}\n}}\n"
        );
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, text).map_err(|error| format!("{}: {error}", file.display()))?;
        let command: [OsString; 7] = [
            program.into(),
            "-p".into(),
            folder.path().into(),
            "-c".into(),
            file.into(),
            "-e".into(),
            folder.path().join("log").into(),
        ];
        let process = Arc::new(Process::new("nginx", folder, &command)?);
        let nginx = Nginx { process, port };
        start(&nginx.process, nginx.address())?;
        Ok(nginx)
    }

    /// `http://` and [`address`](Nginx::address).
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address())
    }

    /// Where it listens. It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// `kill -9` if it runs, then starts it again, and waits until it listens.
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

    controls!(|nginx| nginx.process);
}

// A connection that sends nothing: whether what is behind answers, is not nginx's matter.
fn start(process: &Process, address: SocketAddr) -> Result<(), String> {
    process.start(|| TcpStream::connect(address).is_ok())
}
