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
        let start = Port::reserve().map(|port| (command(port.number()), port));
        blocking(move || {
            let (command, port) = start?;
            let process = Arc::new(Process::new("the program", Folder::new()?, &command)?);
            let program = Program { process, port };
            listens(&program.process, program.address())?;
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

    /// Waits until it has ended by itself.
    pub async fn ended(&self) {
        let process = Arc::clone(&self.process);
        while process.is_running() {
            tokio::time::sleep(PAUSE).await;
        }
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
            listens(&process, address)
        })
        .await;
    }

    controls!(|program| program.process);
}

fn listens(process: &Process, address: SocketAddr) -> Result<(), String> {
    process.start(|| TcpStream::connect(address).is_ok())
}
