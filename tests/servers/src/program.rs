//! A server of the test's own, in a process of its own.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use crate::controls::controls;
use crate::folder::Folder;
use crate::port::Port;
use crate::process::{PAUSE, Process, blocking};

/// A running program that serves on a free port of 127.0.0.1. Dropping it stops it with `kill -9`.
#[derive(Debug)]
pub struct Program {
    // Before the port, which is given back when the server is gone.
    process: Arc<Process>,
    port: Port,
}

impl Program {
    /// Starts the program of a command line, and waits until it listens on the port of 127.0.0.1
    /// that the line was made with.
    ///
    /// # Panics
    ///
    /// When it cannot be started or ends at once, with its log.
    pub async fn start(command: impl FnOnce(u16) -> Vec<OsString>) -> Program {
        Program::start_in(|port, _| command(port)).await
    }

    /// As [`start`](Program::start), for a program that reads files: they belong into the folder that
    /// `command` is given, which is there and empty, and goes with the program.
    ///
    /// ```no_run
    /// # use idempotent_servers::Program;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let caddy = Program::start_in(|port, folder| {
    ///     let file = folder.join("Caddyfile");
    ///     let text = format!("{{\nadmin off\n}}\nhttp://127.0.0.1:{port} {{\nrespond hello\n}}");
    ///     std::fs::write(&file, text).expect("the folder is there");
    ///     vec!["caddy".into(), "run".into(), "--config".into(), file.into()]
    /// })
    /// .await;
    /// println!("{}", caddy.address());
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// When it cannot be started or ends at once, with its log.
    pub async fn start_in(command: impl FnOnce(u16, &Path) -> Vec<OsString>) -> Program {
        let start = Port::reserve().and_then(|port| {
            let folder = Folder::new()?;
            Ok((command(port.number(), folder.path()), folder, port))
        });
        blocking(move || {
            let (command, folder, port) = start?;
            let process = Arc::new(Process::new("the program", folder, &command)?);
            let program = Program { process, port };
            let address = program.address();
            program.process.start(|| TcpStream::connect(address).is_ok())?;
            Ok(program)
        })
        .await
    }

    /// Where it listens. It stays the same over restarts.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// A folder of its own, which goes with it.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.process.folder()
    }

    /// `kill -9` if it runs, then starts it again on the same port with its files, and waits until it listens.
    ///
    /// # Panics
    ///
    /// When it cannot be started or ends at once, with its log.
    pub async fn restart(&self) {
        let (process, address) = (Arc::clone(&self.process), self.address());
        blocking(move || {
            process.kill()?;
            process.start(|| TcpStream::connect(address).is_ok())
        })
        .await;
    }

    /// Starts it again whenever it has ended, until the future is dropped. That it listens is not
    /// waited for: who reaches it first may be who ends it.
    ///
    /// # Panics
    ///
    /// When it cannot be started.
    pub async fn revive(&self) {
        loop {
            while self.process.is_running() {
                tokio::time::sleep(PAUSE).await;
            }
            let process = Arc::clone(&self.process);
            blocking(move || {
                // Reaps it.
                process.kill()?;
                process.start(|| true)
            })
            .await;
        }
    }

    controls!(|program| program.process);
}
