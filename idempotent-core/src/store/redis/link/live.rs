//! The connections in use, and their replacement: one attempt at a time, for everybody, with growing
//! pauses. While there is none, whoever asks waits for it as long as their own time allows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use redis::{ErrorKind, RedisError, RedisResult};
use tokio::sync::watch;

use super::{Connection, Limits, Source, is_demoted};
use crate::store::poll::jittered;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that is lost sooner than this is not replaced at once: a server that accepts
/// connections and closes them must not be flooded.
const YOUNG: Duration = Duration::from_millis(500);

/// Where the connection in use is kept.
pub(super) struct Live {
    pub(super) source: Source,
    limits: Limits,
    state: Mutex<State>,
}

/// A connection, and of which attempt it is.
pub(super) struct Used {
    pub(super) connection: Connection,
    pub(super) generation: u64,
}

struct State {
    /// All to the same server; none while there is no way to it.
    connections: Vec<Connection>,
    generation: u64,
    since: Instant,
    /// The running attempt: its sender tells the end, and is dropped with the attempt.
    attempt: Option<watch::Receiver<()>>,
    /// Why the last attempt failed, or the last connection was lost.
    error: Option<RedisError>,
}

impl Live {
    pub(super) async fn connect(source: Source, limits: Limits) -> RedisResult<Self> {
        let connections = source.connect(limits).await?;
        let state =
            State { connections, generation: 0, since: Instant::now(), attempt: None, error: None };
        Ok(Self { source, limits, state: Mutex::new(state) })
    }

    /// Hears of other primaries, where somebody tells; in the runtime of whoever connects first.
    pub(super) fn watch(self: &Arc<Self>) {
        #[cfg(feature = "redis-sentinel")]
        if let Source::Sentinel(group) = &self.source {
            super::switch::watch(self, group.sentinels(), self.limits);
        }
    }

    /// The connection in use for a part of the questions, or the next one once it stands.
    pub(super) async fn get(self: &Arc<Self>, part: usize) -> RedisResult<Used> {
        loop {
            let mut attempt = {
                let mut state = self.lock();
                let among = state.connections.len().max(1);
                if let Some(connection) = state.connections.get(part % among) {
                    let connection = connection.clone();
                    return Ok(Used { connection, generation: state.generation });
                }
                self.attempt(&mut state)
            };
            if attempt.changed().await.is_err() {
                // Its runtime ended, and with it the attempt; the next caller starts another.
                return Err(self.error_while_down().unwrap_or_else(gone));
            }
        }
    }

    /// Which connection is in use, or will be next.
    pub(super) fn generation(&self) -> u64 {
        let state = self.lock();
        if state.is_up() { state.generation } else { state.generation + 1 }
    }

    /// Gives up the connections of an attempt, since one of them is lost. Says whether others may fare
    /// better.
    pub(super) fn lose(self: &Arc<Self>, generation: u64, why: &RedisError) -> bool {
        if !self.source.can_connect() {
            return self.source.heals_itself();
        }
        let mut state = self.lock();
        if state.generation != generation || !state.is_up() {
            return true;
        }
        let keeps = is_demoted(why) || self.source.heals_itself();
        if keeps && state.since.elapsed() < YOUNG {
            return false;
        }
        self.drop_connections(&mut state, Some(why.clone()));
        true
    }

    /// Gives up the connections when one went silent, unless they are too new to judge.
    pub(super) fn lose_if_older(self: &Arc<Self>, than: Duration) {
        let mut state = self.lock();
        let old = state.is_up() && state.since.elapsed() >= than;
        if old && self.source.can_connect() {
            self.drop_connections(&mut state, None);
        }
    }

    /// Why there is no connection, if there is none.
    pub(super) fn error_while_down(&self) -> Option<RedisError> {
        let state = self.lock();
        if state.is_up() { None } else { state.error.clone() }
    }

    fn drop_connections(self: &Arc<Self>, state: &mut State, why: Option<RedisError>) {
        state.connections = Vec::new();
        state.error = why;
        self.attempt(state);
    }

    fn attempt(self: &Arc<Self>, state: &mut State) -> watch::Receiver<()> {
        if let Some(running) = state.attempt.as_ref().filter(|running| !is_over(running)) {
            return running.clone();
        }
        let (done, running) = watch::channel(());
        let young = state.since.elapsed() < YOUNG;
        let pause = if young { FIRST_PAUSE * 4 } else { Duration::ZERO };
        tokio::spawn(replace(Arc::downgrade(self), pause, done));
        state.attempt = Some(running.clone());
        running
    }

    fn put(&self, connections: Vec<Connection>) {
        let mut state = self.lock();
        state.connections = connections;
        state.generation += 1;
        state.since = Instant::now();
        state.attempt = None;
        state.error = None;
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

fn is_over(attempt: &watch::Receiver<()>) -> bool {
    attempt.has_changed().is_err()
}

/// Connects, until it succeeds or nobody is left to connect for.
async fn replace(live: Weak<Live>, mut pause: Duration, done: watch::Sender<()>) {
    loop {
        if !pause.is_zero() {
            tokio::time::sleep(jittered(pause)).await;
        }
        let Some(live) = live.upgrade() else { return };
        match live.source.connect(live.limits).await {
            Ok(connections) => {
                live.put(connections);
                // Nobody may be waiting any more.
                let _ = done.send(());
                return;
            }
            Err(error) => {
                tracing::debug!(%error, "cannot connect to redis");
                live.lock().error = Some(error);
            }
        }
        pause = (pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE);
    }
}

fn gone() -> RedisError {
    (ErrorKind::Io, "the connection is lost").into()
}
