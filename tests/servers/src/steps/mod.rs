//! A proxy in front of PostgreSQL that numbers the steps of each transaction, and lets one stand still
//! at a step, so that a test can kill whom it likes just there.
//!
//! A step is a message that a client sends, from `BEGIN` on. A server knows nothing else of a client:
//! to it, a client that dies anywhere between two messages is one that died after the first of them.
//! So these are all the points at which a crash can make a difference, they are found in what is
//! built for use, and the program under test needs no hook. The clients must not encrypt.
//!
//! `messages` knows the protocol's frames, `session` one connection's conversation, `connection`
//! forwards one, `control` holds what the test asked for; here is the handle, and what accepts.

mod connection;
mod control;
mod messages;
mod session;

use std::collections::BTreeSet;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::Postgres;
use control::{Control, Wanted};

pub use control::{Halt, Halted};
pub use session::Step;

/// A proxy on a free port of 127.0.0.1 that runs as a task, and ends with its handle.
///
/// ```no_run
/// # use idempotent_servers::{Halt, Postgres, StepProxy};
/// # async fn example() -> std::io::Result<()> {
/// let postgres = Postgres::start().await;
/// let proxy = StepProxy::start(postgres.address()).await?;
/// let url = proxy.postgres_url(&postgres);
///
/// proxy.halt(2, Halt::Unanswered);
/// // … a process begins a transaction at `url` …
/// let halted = proxy.halted().await;
/// assert_eq!(halted.step().message(), "Query");
/// // … `kill -9` of that process, or of the server …
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct StepProxy {
    control: Arc<Control>,
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

impl StepProxy {
    /// A proxy in front of `upstream`, which need not listen yet.
    ///
    /// # Errors
    ///
    /// When there is no free port.
    pub async fn start(upstream: SocketAddr) -> io::Result<StepProxy> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let control = Arc::new(Control::default());
        let accepting = tokio::spawn(accept(Arc::clone(&control), listener, upstream));
        Ok(StepProxy { control, address, accepting })
    }

    /// The URL of `server` through this proxy, in plain text: it reads the messages that pass.
    #[must_use]
    pub fn postgres_url(&self, server: &Postgres) -> String {
        format!("{}?sslmode=disable", server.url_at(self.address))
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Lets the next transaction that gets to the step of that number, from 1, stand still there. Once;
    /// a step that the server answers with an error does not count. Everything else goes on.
    ///
    /// The connection stays open and forwards nothing until one side closes it.
    pub fn halt(&self, number: u32, halt: Halt) {
        self.control.halt(Wanted { number, step: None, halt });
    }

    /// As [`halt`](StepProxy::halt), for a transaction in which the step of that number is this one.
    pub fn halt_at(&self, number: u32, step: &Step, halt: Halt) {
        self.control.halt(Wanted { number, step: Some(step.clone()), halt });
    }

    /// Undoes [`halt`](StepProxy::halt) for what does not stand still yet.
    pub fn let_pass(&self) {
        self.control.let_pass();
    }

    /// Whether a transaction is still to come to what [`halt`](StepProxy::halt) asked for. A client that
    /// has all its answers, while this is so, was never there.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.control.is_armed()
    }

    /// Waits until a transaction stands still.
    pub async fn halted(&self) -> Halted {
        self.control.stands().await
    }

    /// As [`halted`](StepProxy::halted), if one does. Tells of each once.
    #[must_use]
    pub fn take_halted(&self) -> Option<Halted> {
        self.control.take_halted()
    }

    /// The steps of the transactions that came to their end without an error, rolled back ones
    /// included: each way to get there once.
    #[must_use]
    pub fn seen(&self) -> BTreeSet<Vec<Step>> {
        self.control.seen()
    }
}

impl Drop for StepProxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(control: Arc<Control>, listener: TcpListener, upstream: SocketAddr) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        let control = Arc::clone(&control);
        connections.spawn(async move { connection::run(&control, client, upstream).await });
        while connections.try_join_next().is_some() {}
    }
}
