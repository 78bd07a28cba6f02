//! What the test wants of a proxy, and what went through it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::Sub;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

/// What went through a proxy. The difference of two is what went through in between.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    connections: u64,
    round_trips: u64,
    replies: u64,
    bytes_to_server: u64,
    bytes_to_client: u64,
    commands: BTreeMap<String, u64>,
}

impl Counts {
    /// Connections that clients opened.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.connections
    }

    /// How often clients sent something after the last answer: a batch of commands that is sent in
    /// one piece is one round trip, and so are commands that overlap on one connection.
    #[must_use]
    pub fn round_trips(&self) -> u64 {
        self.round_trips
    }

    /// Redis commands that were sent, those of a transaction and of a connection's start included.
    #[must_use]
    pub fn commands(&self) -> u64 {
        self.commands.values().sum()
    }

    /// Redis commands of that name, in capitals: `commands_of("SET")`.
    #[must_use]
    pub fn commands_of(&self, name: &str) -> u64 {
        self.commands.get(name).copied().unwrap_or(0)
    }

    /// Which Redis commands were sent, and how often.
    #[must_use]
    pub fn by_name(&self) -> &BTreeMap<String, u64> {
        &self.commands
    }

    /// Answers to Redis commands that came from the server, swallowed ones included.
    #[must_use]
    pub fn replies(&self) -> u64 {
        self.replies
    }

    /// Bytes that were forwarded to the server.
    #[must_use]
    pub fn bytes_to_server(&self) -> u64 {
        self.bytes_to_server
    }

    /// Bytes that were forwarded to the client.
    #[must_use]
    pub fn bytes_to_client(&self) -> u64 {
        self.bytes_to_client
    }
}

impl Sub<&Counts> for Counts {
    type Output = Counts;

    fn sub(mut self, earlier: &Counts) -> Counts {
        self.connections -= earlier.connections;
        self.round_trips -= earlier.round_trips;
        self.replies -= earlier.replies;
        self.bytes_to_server -= earlier.bytes_to_server;
        self.bytes_to_client -= earlier.bytes_to_client;
        for (name, count) in &earlier.commands {
            if let Some(later) = self.commands.get_mut(name) {
                *later -= count;
            }
        }
        self.commands.retain(|_, count| *count > 0);
        self
    }
}

/// Something that is to happen to the next request that it fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OneShot {
    DropRequest,
    DropReply,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Stall {
    #[default]
    None,
    Replies,
    Both,
}

/// Faults that last.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Faults {
    pub(super) delay_requests: Duration,
    pub(super) delay_replies: Duration,
    pub(super) refuse: bool,
    pub(super) stall: Stall,
    // One connection, by its number from 1, through which nothing goes.
    pub(super) silent: Option<u64>,
    // Connections of an earlier generation are cut.
    pub(super) generation: u64,
    pub(super) closed: bool,
}

/// Shared by the handle and the proxy's thread.
#[derive(Debug)]
pub(super) struct Control {
    upstream: Mutex<SocketAddr>,
    faults: watch::Sender<Faults>,
    shared: Mutex<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    counts: Counts,
    armed: Vec<(OneShot, Option<String>)>,
    // How many connections of each generation are open.
    open: BTreeMap<u64, usize>,
    listening: bool,
}

impl Control {
    pub(super) fn new(upstream: SocketAddr) -> Control {
        let shared = Mutex::new(Shared::default());
        let faults = watch::Sender::new(Faults::default());
        Control { upstream: Mutex::new(upstream), faults, shared }
    }

    /// Where new connections lead.
    pub(super) fn upstream(&self) -> SocketAddr {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn lead_to(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap_or_else(PoisonError::into_inner) = upstream;
    }

    pub(super) fn change(&self, change: impl FnOnce(&mut Faults)) {
        self.faults.send_modify(change);
    }

    pub(super) fn watch(&self) -> watch::Receiver<Faults> {
        self.faults.subscribe()
    }

    /// Ends a generation of connections, and gives the next one.
    pub(super) fn cut(&self) -> u64 {
        // As `opened` does: a connection is counted before a cut, or belongs to the next generation.
        let _shared = self.shared();
        let mut generation = 0;
        self.change(|faults| {
            faults.generation += 1;
            generation = faults.generation;
        });
        generation
    }

    pub(super) fn close(&self) {
        let _shared = self.shared();
        self.change(|faults| {
            faults.generation += 1;
            faults.closed = true;
        });
    }

    pub(super) fn arm(&self, what: OneShot, command: Option<&str>) {
        let command = command.map(str::to_ascii_uppercase);
        self.shared().armed.push((what, command));
    }

    pub(super) fn is_armed(&self) -> bool {
        !self.shared().armed.is_empty()
    }

    /// Takes what is armed for a request. `None` stands for one that is not Redis'.
    pub(super) fn fire(&self, command: Option<&str>) -> Option<OneShot> {
        let mut shared = self.shared();
        let fits = |(_, wanted): &(OneShot, Option<String>)| {
            wanted.is_none() || wanted.as_deref() == command
        };
        let index = shared.armed.iter().position(fits)?;
        Some(shared.armed.remove(index).0)
    }

    pub(super) fn counts(&self) -> Counts {
        self.shared().counts.clone()
    }

    /// Whether connections of generations before this one are open.
    pub(super) fn is_open_before(&self, generation: u64) -> bool {
        self.shared().open.range(..generation).next().is_some()
    }

    /// How many connections are open.
    pub(super) fn open(&self) -> usize {
        self.shared().open.values().sum()
    }

    /// Gives the generation of a connection that was accepted, and its number from 1.
    pub(super) fn opened(&self) -> (u64, u64) {
        let mut shared = self.shared();
        let generation = self.faults.borrow().generation;
        shared.counts.connections += 1;
        *shared.open.entry(generation).or_default() += 1;
        (generation, shared.counts.connections)
    }

    pub(super) fn ended(&self, generation: u64) {
        let mut shared = self.shared();
        if let Some(open) = shared.open.get_mut(&generation) {
            *open -= 1;
        }
        shared.open.retain(|_, open| *open > 0);
    }

    pub(super) fn is_listening(&self) -> bool {
        self.shared().listening
    }

    pub(super) fn listening(&self, listening: bool) {
        self.shared().listening = listening;
    }

    pub(super) fn round_trip(&self) {
        self.shared().counts.round_trips += 1;
    }

    pub(super) fn command(&self, name: &str) {
        *self.shared().counts.commands.entry(name.into()).or_default() += 1;
    }

    pub(super) fn reply(&self) {
        self.shared().counts.replies += 1;
    }

    pub(super) fn forwarded(&self, to_server: bool, bytes: usize) {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        let counts = &mut self.shared().counts;
        let total =
            if to_server { &mut counts.bytes_to_server } else { &mut counts.bytes_to_client };
        *total += bytes;
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
