//! The connections in use, and their replacement when one of them is lost.
//!
//! One attempt at a time reconnects, for all callers and with growing pauses. Callers wait for it as
//! long as their own time allows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::{RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::any_connection::AnyConnection;
use super::connector::Connector;
use super::limits::Limits;
use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::error::{closed, is_demoted, lost_connection};
use crate::store::poll::jittered;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// A server that is back is noticed within that.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// Connections that are lost sooner than this are not replaced at once: a server that accepts
/// connections and closes them must not be flooded.
const YOUNG: Duration = Duration::from_millis(500);

/// The connections in use.
pub(super) struct ActiveConnections {
    connector: Connector,
    limits: Limits,
    tasks: Arc<BackgroundTasks>,
    state: Mutex<State>,
    /// Reports each replacement.
    replaced: watch::Sender<()>,
}

/// A connection, and which attempt made it.
pub(super) struct ActiveConnection {
    pub(super) connection: AnyConnection,
    pub(super) generation: u64,
}

struct State {
    /// All lead to the same server. Empty while it cannot be reached.
    connections: Vec<AnyConnection>,
    generation: u64,
    since: Instant,
    /// The attempt in progress. Its sender reports success, and is dropped with the attempt.
    attempt: Option<watch::Receiver<()>>,
    /// Why the last attempt failed, or the last connections were lost.
    error: Option<RedisError>,
    is_closed: bool,
}

impl ActiveConnections {
    /// Without connections, until the [first attempt](Self::connect) or the first use makes some.
    pub(super) fn new(connector: Connector, limits: Limits, tasks: Arc<BackgroundTasks>) -> Self {
        let state = State {
            connections: Vec::new(),
            generation: 0,
            since: Instant::now(),
            attempt: None,
            error: None,
            is_closed: false,
        };
        let replaced = watch::Sender::new(());
        Self { connector, limits, tasks, state: Mutex::new(state), replaced }
    }

    /// Connects, in one attempt, unless there are connections.
    pub(super) async fn connect(&self) -> RedisResult<()> {
        if self.lock().is_up() {
            return Ok(());
        }
        let connections = self.connector.connect(self.limits).await?;
        let mut state = self.lock();
        if !state.is_up() && !state.is_closed {
            (state.connections, state.since, state.error) = (connections, Instant::now(), None);
        }
        Ok(())
    }

    pub(super) const fn connector(&self) -> &Connector {
        &self.connector
    }

    /// The connection for a partition; while there is none, the next one as soon as it is made.
    pub(super) async fn get(self: &Arc<Self>, partition: usize) -> RedisResult<ActiveConnection> {
        loop {
            let mut attempt = {
                let mut state = self.lock();
                if state.is_closed {
                    return Err(closed());
                }
                let count = state.connections.len().max(1);
                if let Some(connection) = state.connections.get(partition % count) {
                    let connection = connection.clone();
                    return Ok(ActiveConnection { connection, generation: state.generation });
                }
                self.reconnect(&mut state)
            };
            if attempt.changed().await.is_err() {
                // The attempt ended with its runtime; the next caller starts another.
                return Err(self.error_while_down().unwrap_or_else(lost_connection));
            }
        }
    }

    /// Counts the attempts that succeeded, including the one in progress.
    pub(super) fn generation(&self) -> u64 {
        let state = self.lock();
        if state.is_up() { state.generation } else { state.generation + 1 }
    }

    /// Replaces the connections that an attempt made, because one of them was lost. Returns whether
    /// another connection may succeed.
    pub(super) fn report_lost(self: &Arc<Self>, generation: u64, error: &RedisError) -> bool {
        if !self.connector.can_connect() {
            return self.connector.reconnects_itself();
        }
        let mut state = self.lock();
        if state.generation != generation || !state.is_up() {
            return true;
        }
        let may_keep = is_demoted(error) || self.connector.reconnects_itself();
        if may_keep && state.since.elapsed() < YOUNG {
            return false;
        }
        self.replace_all(&mut state, Some(error.clone()));
        true
    }

    /// Whether a connection of the application's should be ended because its server was demoted: not again and
    /// again while there is no other one.
    pub(super) fn may_end(&self) -> bool {
        let mut state = self.lock();
        let may_end = state.since.elapsed() >= YOUNG;
        if may_end {
            state.since = Instant::now();
        }
        may_end
    }

    /// Hears of every replacement from now on.
    pub(super) fn replaced(&self) -> watch::Receiver<()> {
        self.replaced.subscribe()
    }

    /// Replaces the connections, unless they are too new.
    pub(super) fn replace_if_older_than(self: &Arc<Self>, age: Duration) {
        let mut state = self.lock();
        let is_old = state.is_up() && state.since.elapsed() >= age;
        if is_old && self.connector.can_connect() {
            self.replace_all(&mut state, None);
        }
    }

    /// Looks for the servers again, unless the connections are too new. They are used until there are others: they
    /// may still answer reads.
    pub(super) fn look_again_if_older_than(self: &Arc<Self>, age: Duration) {
        let mut state = self.lock();
        let is_old = state.is_up() && state.since.elapsed() >= age;
        if is_old && self.connector.can_connect() {
            self.reconnect(&mut state);
        }
    }

    /// Why there is no connection, while there is none.
    pub(super) fn error_while_down(&self) -> Option<RedisError> {
        let state = self.lock();
        if state.is_up() { None } else { state.error.clone() }
    }

    fn replace_all(self: &Arc<Self>, state: &mut State, error: Option<RedisError>) {
        state.connections = Vec::new();
        state.error = error;
        self.reconnect(state);
    }

    /// The attempt in progress, or a new one.
    fn reconnect(self: &Arc<Self>, state: &mut State) -> watch::Receiver<()> {
        if let Some(running) = state.attempt.as_ref().filter(|running| is_running(running)) {
            return running.clone();
        }
        let (done, running) = watch::channel(());
        let young = state.since.elapsed() < YOUNG;
        let pause = if young { FIRST_PAUSE * 4 } else { Duration::ZERO };
        self.tasks.spawn(&Handle::current(), connect_again(Arc::downgrade(self), pause, done));
        state.attempt = Some(running.clone());
        running
    }

    /// Drops the connections, and makes no others.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.is_closed = true;
        state.connections = Vec::new();
        state.error = Some(closed());
    }

    fn install(&self, connections: Vec<AnyConnection>) {
        let mut state = self.lock();
        if state.is_closed {
            return;
        }
        state.connections = connections;
        state.generation += 1;
        state.since = Instant::now();
        state.attempt = None;
        state.error = None;
        drop(state);
        self.replaced.send_replace(());
    }

    fn report_error(&self, error: RedisError) {
        let mut state = self.lock();
        if !state.is_closed {
            state.error = Some(error);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_up(&self) -> bool {
        !self.connections.is_empty()
    }
}

fn is_running(attempt: &watch::Receiver<()>) -> bool {
    attempt.has_changed().is_ok()
}

/// Tries to connect until it succeeds or the store is dropped.
async fn connect_again(
    active: Weak<ActiveConnections>,
    mut pause: Duration,
    done: watch::Sender<()>,
) {
    loop {
        if !pause.is_zero() {
            tokio::time::sleep(jittered(pause)).await;
        }
        let Some(active) = active.upgrade() else { return };
        match active.connector.connect(active.limits).await {
            Ok(connections) => {
                active.install(connections);
                // Fails if nobody waits any more.
                let _ = done.send(());
                return;
            }
            Err(error) => {
                tracing::debug!(%error, servers = ?active.connector, "cannot connect to redis, will retry");
                active.report_error(error);
            }
        }
        pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }
}
