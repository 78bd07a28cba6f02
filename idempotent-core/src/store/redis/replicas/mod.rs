//! Reservations and completions that count only once replicas have them too.
//!
//! A server counts, by `WAIT`, the replicas that have what one connection wrote, and blocks that
//! connection meanwhile. So these writes do not go over the link: each primary has a [`lane`], one
//! connection and a queue. What is queued goes out as one [`batch`] with one `WAIT` at its end, and
//! while a batch waits the next one fills. [`route`] knows which lane a key has, [`slots`] which
//! primary; [`confirm`] vouches for a reservation that stands there already.
//!
//! Nothing is followed or repeated inside a batch: a redirect or a refusal is the answer to its own
//! command, and whoever sent that tries again here.

mod batch;
mod confirm;
mod lane;
mod route;
#[cfg(feature = "redis-cluster")]
mod slots;

use std::sync::Arc;
use std::time::Duration;

use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

pub(super) use self::confirm::confirm;
use self::lane::{Failure, Queued};
use self::route::{Hop, Routes};
use super::error::timed_out;
use super::link::Link;

/// Whether an answer to a write promises something: only such a one waits for replicas.
pub(super) type Promise = fn(&Value) -> bool;

/// How many replicas have to have a write, and how long they have for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Need {
    pub(super) replicas: usize,
    pub(super) within: Duration,
}

/// Redirects, and refusals by servers that are changing their roles: enough for one failover, within
/// a write's time.
const HOPS: u32 = 6;

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// The way that waits for replicas.
pub(super) struct Replicas {
    routes: Routes,
    turns: Arc<Semaphore>,
    patience: Duration,
}

/// How far one write has come.
struct Journey {
    hop: Hop,
    hops_left: u32,
    losses_left: u32,
    pause: Duration,
}

impl Replicas {
    pub(super) fn new(link: Arc<Link>, need: Need) -> Self {
        let limits = link.limits();
        let turns = limits.in_flight.clamp(1, Semaphore::MAX_PERMITS);
        Self {
            // The batch before it may use up its time, and then its own.
            patience: limits.response.saturating_add(need.within.saturating_mul(2)),
            turns: Arc::new(Semaphore::new(turns)),
            routes: Routes::new(link, need),
        }
    }

    /// Whether promises to a key failed last time, so that a look may spare another one.
    pub(super) fn is_failing(&self, key: &str) -> bool {
        self.routes.is_failing(key)
    }

    /// Sends a command, perhaps twice, and gives its answer. One that is a promise is given when
    /// enough replicas have what the command wrote.
    pub(super) async fn write(
        &self,
        key: &str,
        command: &Cmd,
        promise: Promise,
    ) -> RedisResult<Value> {
        let mut why = None;
        let delivered = timeout(self.patience, self.deliver(key, command, promise, &mut why)).await;
        delivered.unwrap_or_else(|_| {
            self.routes.doubt();
            Err(why.unwrap_or_else(timed_out))
        })
    }

    async fn deliver(
        &self,
        key: &str,
        command: &Cmd,
        promise: Promise,
        why: &mut Option<RedisError>,
    ) -> RedisResult<Value> {
        let mut journey = Journey::begin();
        loop {
            match self.attempt(key, command, promise, &journey.hop).await {
                Ok(value) => return Ok(value),
                Err(failure) => *why = Some(self.goes_on(&mut journey, failure)?),
            }
            if matches!(journey.hop, Hop::Home) {
                sleep(journey.pause).await;
                journey.pause = (journey.pause * 2).min(LONGEST_PAUSE);
            }
        }
    }

    /// Where another attempt may fare better; the error where none may.
    fn goes_on(&self, journey: &mut Journey, failure: Failure) -> RedisResult<RedisError> {
        match failure {
            Failure::Short(error) => Err(error),
            Failure::Refused(error) => {
                let hop = self.routes.after(&error);
                let (Some(hop), true) = (hop, journey.hops_left > 0) else { return Err(error) };
                journey.hops_left -= 1;
                journey.hop = hop;
                Ok(error)
            }
            Failure::Lost(error) => {
                if journey.losses_left == 0 {
                    return Err(error);
                }
                journey.losses_left -= 1;
                journey.hop = Hop::Home;
                Ok(error)
            }
            Failure::Unsent(error) => {
                journey.hop = Hop::Home;
                Ok(error)
            }
        }
    }

    async fn attempt(
        &self,
        key: &str,
        command: &Cmd,
        promise: Promise,
        hop: &Hop,
    ) -> Result<Value, Failure> {
        // Fails only when it is closed, which nobody does.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let lane = self.routes.lane(key, hop).await.map_err(Failure::Unsent)?;
        let (queued, answer) = Queued::new(command.clone(), promise, hop.is_asking(), turn);
        if !lane.put(queued) {
            return Err(Failure::Unsent(gone()));
        }
        // Without an answer when the lane's runtime ended, and then the command may be out.
        answer.await.unwrap_or_else(|_| Err(Failure::Lost(gone())))
    }
}

impl Journey {
    const fn begin() -> Self {
        Self { hop: Hop::Home, hops_left: HOPS, losses_left: 1, pause: FIRST_PAUSE }
    }
}

fn gone() -> RedisError {
    (ErrorKind::Io, "the connection is lost").into()
}
