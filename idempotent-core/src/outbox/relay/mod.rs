//! The relay: takes what waits in the outbox to a broker, for as long as it is let.
//!
//! `turn` is one round trip of it, `held` its transaction, `lane` the messages of one key within it.
//! `round` is the way through all keys, turn by turn. What can be set is in `options`.

mod held;
mod lane;
mod options;
mod pause;
mod round;
mod turn;

use std::fmt;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use self::options::Options;
use self::pause::{Pauses, unless};
use self::round::{Next, Round};
use self::turn::Turn;
use super::telemetry::Telemetry;
use super::{Outbox, OutboxError, Publish};

/// Delivers the messages of an outbox to a broker, each key's in the order of their commits.
///
/// Any number of relays may run on one outbox, in any processes: they share the keys out among
/// themselves, turn by turn. One that dies, freezes or is cut off loses its keys to the others within
/// seconds.
///
/// ```no_run
/// use idempotent_core::outbox::{Outbox, Relay};
/// # use idempotent_core::outbox::Publish;
///
/// # async fn start(pool: sqlx::PgPool, broker: impl Publish) {
/// let relay = Relay::new(Outbox::new(pool), broker).park_after(5);
/// let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
/// let running = tokio::spawn(relay.run(async { drop(stopped.await) }));
///
/// // At shutdown: what is on its way is awaited, and nothing else begins.
/// drop(stop);
/// drop(running.await);
/// # }
/// ```
#[must_use = "a relay delivers while it is run"]
pub struct Relay {
    outbox: Outbox,
    broker: Arc<dyn Publish>,
    options: Options,
}

/// What a relay did in one [`pass`](Relay::pass).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pass {
    /// Messages that the broker has now.
    pub delivered: u64,
    /// Attempts that the broker refused, those that led to parking among them.
    pub refused: u64,
    /// Attempts for which the broker was not available.
    pub unavailable: u64,
    /// Messages that were put aside.
    pub parked: u64,
}

/// What a turn is told from outside: that it should begin nothing more.
#[derive(Clone, Default)]
struct Stopping(Arc<AtomicBool>);

impl Stopping {
    fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Relay {
    /// A relay from this outbox to this broker, with the defaults.
    pub fn new(outbox: Outbox, broker: impl Publish) -> Self {
        Self { outbox, broker: Arc::new(broker), options: Options::default() }
    }

    /// How many messages a turn takes at most, and so how many are on their way at once. Default: 100.
    /// None counts as one. A relay has as many payloads in memory.
    pub fn batch(mut self, messages: usize) -> Self {
        self.options.batch = messages.max(1);
        self
    }

    /// How often to look, where nothing waits. Default: 100 milliseconds; at least one.
    ///
    /// There is no wake-up from the database: `NOTIFY` would have every transaction that publishes wait
    /// for the commit of every other one.
    pub fn poll(mut self, interval: Duration) -> Self {
        self.options.poll = interval.max(Duration::from_millis(1));
        self
    }

    /// After how many refusals a message is put aside, so that its key goes on. Default: 10; at least
    /// one.
    pub fn park_after(mut self, refusals: u32) -> Self {
        self.options.park_after = refusals.max(1);
        self
    }

    /// The pauses before a failed message is tried again: random between zero and a bound that begins
    /// with `first`, doubles with each attempt and ends with `longest`. Default: 100 milliseconds, 30
    /// seconds.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.options.set_backoff(first, longest);
        self
    }

    /// How long the broker has for one message; then it counts as not available. Default: 5 seconds; at
    /// least a millisecond.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.options.deadline = deadline.max(Duration::from_millis(1));
        self
    }

    /// How long the database has for one answer, waiting for a connection included; then the relay gives the
    /// turn up, and what it had just published is delivered twice. Default: 5 seconds; at least a
    /// millisecond.
    pub fn response_timeout(mut self, timeout: Duration) -> Self {
        self.options.response = timeout.max(Duration::from_millis(1));
        self
    }

    /// Delivers until `stop` ends. Then it begins nothing more, waits for what is on its way, writes down
    /// what became of it, and returns.
    ///
    /// What the database or the broker does to it is logged, counted and tried again, with pauses. Dropped
    /// instead of stopped, it leaves messages behind that will be delivered twice.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let stopping = Stopping::default();
        let mut pauses = Pauses::new(self.options.backoff);
        let mut round = Round::default();
        loop {
            let (after, down) = (round.after.clone(), round.down);
            let mut turn = pin!(self.turn(&after, down, &stopping));
            let Some(ended) = unless(stop.as_mut(), turn.as_mut()).await else {
                stopping.set();
                if let Err(error) = turn.await {
                    Telemetry::turn_failed(&error);
                }
                return;
            };
            if let Some(pause) = self.conclude(ended, &mut pauses, &mut round)
                && unless(stop.as_mut(), pin!(tokio::time::sleep(pause))).await.is_none()
            {
                return;
            }
        }
    }

    /// How long to rest after a turn.
    fn conclude(
        &self,
        ended: Result<Turn, OutboxError>,
        pauses: &mut Pauses,
        round: &mut Round,
    ) -> Option<Duration> {
        let next = ended.map(|turn| round.note(&turn));
        match &next {
            Ok(Next::GoOn | Next::Idle) => pauses.reset(),
            Ok(Next::Down) => Telemetry::down(),
            Err(error) => Telemetry::turn_failed(error),
        }
        match next {
            Ok(Next::GoOn) => None,
            Ok(Next::Idle) => Some(self.options.poll),
            Ok(Next::Down) | Err(_) => Some(pauses.next()),
        }
    }

    /// Delivers what is due, key by key, until a round through all of them finds nothing more to deliver: for
    /// a job that is started by a clock.
    ///
    /// # Errors
    ///
    /// If the database cannot be asked. What was delivered by then may be delivered again.
    pub async fn pass(&self) -> Result<Pass, OutboxError> {
        let (mut pass, mut round) = (Pass::default(), Round::default());
        loop {
            let turn = self.turn(&round.after, round.down, &Stopping::default()).await?;
            pass.add(&turn.pass);
            if round.note(&turn) != Next::GoOn {
                return Ok(pass);
            }
        }
    }
}

impl Pass {
    fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.refused += other.refused;
        self.unavailable += other.unavailable;
        self.parked += other.parked;
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("options", &self.options).finish_non_exhaustive()
    }
}
