//! A TCP proxy in front of a server, to count what goes through and to do it harm.
//!
//! `frames` finds where requests and answers end, `control` holds what the test asked for and what
//! was counted, `connection` forwards one connection; here is the handle, and the thread that
//! accepts. The proxy has a thread and a runtime of its own, so a test may block its own.

mod connection;
mod control;
mod frames;

use std::net::{Ipv4Addr, SocketAddr, TcpListener as StdListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::port::Port;
use crate::process::{PAUSE, blocking, must, wait_until};
use control::{Control, Faults, OneShot, Stall};

pub use control::Counts;

/// A TCP proxy on a free port of 127.0.0.1. Its faults act on every byte that arrives after the
/// call that sets them returned.
///
/// ```no_run
/// # use idempotent_servers::{Redis, TcpProxy};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let redis = Redis::start().await;
/// let proxy = TcpProxy::start(redis.address()).await;
/// let client = proxy.redis_url();
///
/// let before = proxy.counts();
/// // … one call through `client` …
/// assert_eq!((proxy.counts() - &before).round_trips(), 2);
///
/// proxy.drop_next_reply_to("EVALSHA");
/// // … the server does it, and the client sees its connection break …
/// # }
/// ```
#[derive(Debug)]
pub struct TcpProxy {
    control: Arc<Control>,
    port: Port,
    thread: Option<JoinHandle<()>>,
}

impl TcpProxy {
    /// A proxy in front of `upstream`, which need not listen yet.
    ///
    /// # Panics
    ///
    /// When there is no free port.
    pub async fn start(upstream: SocketAddr) -> TcpProxy {
        blocking(move || TcpProxy::start_blocking(upstream)).await
    }

    fn start_blocking(upstream: SocketAddr) -> Result<TcpProxy, String> {
        let port = Port::reserve()?;
        let number = port.number();
        let control = Arc::new(Control::new(upstream));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| format!("no runtime for a proxy: {error}"))?;
        let shared = Arc::clone(&control);
        let thread = std::thread::Builder::new()
            .name("proxy".into())
            .spawn(move || runtime.block_on(serve(&shared, number)))
            .map_err(|error| format!("no thread for a proxy: {error}"))?;
        let proxy = TcpProxy { control, port, thread: Some(thread) };
        wait_until("a proxy listens", || proxy.control.is_listening())?;
        Ok(proxy)
    }

    /// Where clients connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port.number()))
    }

    /// The proxy's port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// `redis://` and [`address`](TcpProxy::address).
    #[must_use]
    pub fn redis_url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// What went through so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.control.counts()
    }

    /// How many connections are open now: neither side has closed them, and they are not cut.
    #[must_use]
    pub fn open_connections(&self) -> usize {
        self.control.open()
    }

    /// Waits until `enough` says that enough went through.
    ///
    /// # Panics
    ///
    /// When that has not come about after 90 seconds.
    pub async fn wait_for(&self, mut enough: impl FnMut(&Counts) -> bool) {
        let deadline = std::time::Instant::now() + crate::process::PATIENCE;
        while !enough(&self.counts()) {
            assert!(std::time::Instant::now() < deadline, "the proxy saw only {:?}", self.counts());
            // Not this runtime's clock, which a test may have paused.
            blocking(|| {
                std::thread::sleep(PAUSE);
                Ok(())
            })
            .await;
        }
    }

    /// Each request arrives that much later at the server. Default: zero.
    pub fn delay_requests(&self, by: Duration) {
        self.control.change(|faults| faults.delay_requests = by);
    }

    /// Each answer arrives that much later at the client. Default: zero.
    pub fn delay_replies(&self, by: Duration) {
        self.control.change(|faults| faults.delay_replies = by);
    }

    /// The next request reaches the server and is worked off; its answer is swallowed, and its
    /// connection cut. Answers to earlier requests are still delivered. Once.
    pub fn drop_next_reply(&self) {
        self.control.arm(OneShot::DropReply, None);
    }

    /// As [`drop_next_reply`](TcpProxy::drop_next_reply), for the next Redis command of that name.
    pub fn drop_next_reply_to(&self, command: &str) {
        self.control.arm(OneShot::DropReply, Some(command));
    }

    /// The next request never reaches the server, and its connection is cut. Once.
    pub fn drop_next_request(&self) {
        self.control.arm(OneShot::DropRequest, None);
    }

    /// As [`drop_next_request`](TcpProxy::drop_next_request), for the next Redis command of that
    /// name. What the client sent before it in one piece reaches the server.
    pub fn drop_next_request_of(&self, command: &str) {
        self.control.arm(OneShot::DropRequest, Some(command));
    }

    /// Whether a dropped request or answer is still to come.
    #[must_use]
    pub fn is_armed(&self) -> bool {
        self.control.is_armed()
    }

    /// Cuts all connections, and returns when they are cut. New ones are accepted.
    ///
    /// # Panics
    ///
    /// When the proxy's thread is gone.
    pub fn cut(&self) {
        let generation = self.control.cut();
        must(wait_until("a proxy cuts its connections", || {
            !self.control.is_open_before(generation)
        }));
    }

    /// New connections are refused, as by a server that is down. Those that are open stay.
    ///
    /// # Panics
    ///
    /// When the proxy's thread is gone.
    pub fn refuse(&self) {
        self.control.change(|faults| faults.refuse = true);
        must(wait_until("a proxy refuses", || !self.control.is_listening()));
    }

    /// Undoes [`refuse`](TcpProxy::refuse).
    ///
    /// # Panics
    ///
    /// When another process took the port.
    pub fn accept(&self) {
        self.control.change(|faults| faults.refuse = false);
        must(wait_until("a proxy listens again", || self.control.is_listening()));
    }

    /// Nothing goes through any more; connections stay open, and new ones are accepted.
    pub fn stall(&self) {
        self.control.change(|faults| faults.stall = Stall::Both);
    }

    /// Requests go through, answers wait.
    pub fn stall_replies(&self) {
        self.control.change(|faults| faults.stall = Stall::Replies);
    }

    /// Nothing goes through any more on one connection, by its number from 1 in the order in which they
    /// were opened; all others go on.
    pub fn stall_one(&self, number: u64) {
        self.control.change(|faults| faults.silent = Some(number));
    }

    /// New connections lead to another server, as when a name moves. Those that are open stay.
    pub fn lead_to(&self, upstream: SocketAddr) {
        self.control.lead_to(upstream);
    }

    /// Ends a stall. What waited goes through.
    pub fn resume(&self) {
        self.control.change(|faults| (faults.stall, faults.silent) = (Stall::None, None));
    }
}

impl Drop for TcpProxy {
    fn drop(&mut self) {
        self.control.close();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(control: &Arc<Control>, port: u16) {
    let mut changes = control.watch();
    let mut listener = None;
    loop {
        let Faults { refuse, closed, .. } = *changes.borrow_and_update();
        if closed {
            return;
        }
        if refuse {
            listener = None;
        } else if listener.is_none() {
            listener = listen(port);
        }
        control.listening(listener.is_some());
        let Some(open) = &listener else {
            if !refuse {
                tokio::time::sleep(PAUSE).await;
            } else if changes.changed().await.is_err() {
                return;
            }
            continue;
        };
        tokio::select! {
            biased;
            _ = changes.changed() => {}
            accepted = open.accept() => {
                if let Ok((client, _)) = accepted {
                    // Not the generation of this loop's last look: a cut wakes its connections one
                    // after another, so a client may be back before this loop is awake.
                    let (generation, number) = control.opened();
                    let upstream = control.upstream();
                    let control = Arc::clone(control);
                    tokio::spawn(connection::run(control, client, upstream, generation, number));
                }
            }
        }
    }
}

fn listen(port: u16) -> Option<TcpListener> {
    let listener = StdListener::bind((Ipv4Addr::LOCALHOST, port)).ok()?;
    listener.set_nonblocking(true).ok()?;
    TcpListener::from_std(listener).ok()
}
