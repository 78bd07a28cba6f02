//! Waking who waits on other machines, and telling of purges: what the stores of one fleet say to
//! each other over one sharded channel.
//!
//! Nothing is published while nobody waits. A waiter announces what it waits for; who ends an
//! awaited call says so, after the change, as a command of its own. All of it may be lost, forbidden
//! or late: then waiters find out by looking, with growing pauses. Scripts publish nothing: in a
//! cluster, and without rights to the channel, they would fail with their change made.
//!
//! [`message`] is what is said, [`listen`] the subscription, [`outbox`] the other direction.
//! [`awaited`] is what others wait for.

mod awaited;
mod listen;
mod message;
mod outbox;

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use self::awaited::Awaited;
use self::message::{Message, Origin};
use self::outbox::Outbox;
use super::link::{Link, Repeat};
use crate::record::{RecordId, Token};
use crate::store::wake::{self, Hash, Lookout, Looks, Observers, Waiters};
use crate::store::{Entry, Observer, StoreError, Wait, poll};

/// Waiters say again and again that they wait: others forget it after three times as long.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

/// How often those who ask are told again what is waited for here.
const ANSWER_EVERY: Duration = Duration::from_secs(1);

/// What one store hears and says.
pub(super) struct Hub {
    link: Arc<Link>,
    channel: Arc<str>,
    origin: Origin,
    looks: Looks,
    ear: AtomicU8,
    is_started: AtomicBool,
    /// Dropped with the hub, which ends the subscription.
    in_use: tokio::sync::watch::Sender<()>,
    awaited: Awaited,
    waiters: Arc<Waiters>,
    observers: Observers,
    outbox: Outbox,
    answered: Mutex<Option<Instant>>,
    warned_deaf: AtomicBool,
    warned_mute: AtomicBool,
}

/// How far the subscription has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Ear {
    /// Nobody has asked for it yet.
    Off,
    /// It is being made.
    Reaching,
    /// It stands.
    Listening,
    /// It is not to be had.
    Deaf,
}

impl Hub {
    pub(super) fn new(link: Arc<Link>, prefix: &str, looks: Looks) -> Arc<Self> {
        let ear = if link.can_dedicate() { Ear::Off } else { Ear::Deaf };
        let [origin @ .., _, _, _, _, _, _, _, _] = *Token::random().as_bytes();
        Arc::new(Self {
            link,
            channel: format!("{prefix}wake").into(),
            origin,
            looks,
            ear: AtomicU8::new(ear as u8),
            // A store without a way to listen never starts to.
            is_started: AtomicBool::new(ear == Ear::Deaf),
            in_use: tokio::sync::watch::Sender::new(()),
            awaited: Awaited::default(),
            waiters: Arc::default(),
            observers: Observers::default(),
            outbox: Outbox::default(),
            answered: Mutex::default(),
            warned_deaf: AtomicBool::new(false),
            warned_mute: AtomicBool::new(false),
        })
    }

    /// Listens from now on, if that has not begun yet.
    pub(super) fn start(self: &Arc<Self>) {
        if self.is_started.load(Ordering::Relaxed) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if !self.is_started.swap(true, Ordering::AcqRel) {
            self.set(Ear::Reaching);
            runtime.spawn(listen::run(Arc::downgrade(self), self.in_use.subscribe()));
        }
    }

    /// The call under an id ended, or may have: the waiters here wake, and others are told.
    pub(super) fn ended(self: &Arc<Self>, id: &RecordId) {
        let hash = id.hash();
        self.waiters.wake(hash);
        // Who does not listen yet does not know who waits.
        let unknown = matches!(self.ear(), Ear::Off | Ear::Reaching);
        if self.awaited.take(hash, Instant::now) || unknown {
            outbox::tell(self, Message::Done(*hash));
        }
    }

    /// A record was purged, or may have been. Everybody is told before this ends: a copy that
    /// somebody keeps would stay until its ttl ends.
    pub(super) async fn purged(&self, id: &RecordId) -> RedisResult<()> {
        let hash = id.hash();
        self.observers.purged(hash);
        self.waiters.wake(hash);
        let told = outbox::publish(self, Message::Purged(*hash));
        match self.link.ask(&self.channel, &told, Repeat::Once).await {
            Err(error) if error.code() == Some("NOPERM") => {
                self.could_not_tell(&error);
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Tells an observer of purges; `false` if this store cannot subscribe.
    pub(super) fn observe(self: &Arc<Self>, observer: Weak<dyn Observer>) -> bool {
        if !self.link.can_dedicate() {
            return false;
        }
        self.observers.add(observer);
        self.start();
        true
    }

    /// Waits until the reservation of that token may have ended.
    pub(super) async fn wait<L, F>(
        self: &Arc<Self>,
        request: &Wait<'_>,
        look: L,
    ) -> Result<(), StoreError>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Entry>, StoreError>> + Send + 'static,
    {
        let Ok(runtime) = Handle::try_current() else {
            return poll::until_ended(look, request).await;
        };
        self.start();
        let (waiter, lookout) = self.waiters.join(*request.id.hash(), request.token);
        if let Some(lookout) = lookout {
            let hub = Arc::clone(self);
            let mut announced: Option<Instant> = None;
            let announce = move |lookout: &Lookout| {
                let is_due = announced.is_none_or(|at| at.elapsed() >= ANNOUNCE_EVERY);
                if is_due && hub.ear() != Ear::Deaf {
                    announced = Some(Instant::now());
                    outbox::tell(&hub, Message::Waiting(*lookout.hash()));
                }
            };
            let (token, looks) = (request.token, self.looks);
            runtime.spawn(wake::until_ended(lookout, token, looks, look, announce));
        }
        let _ = timeout(request.timeout, waiter.woken()).await;
        Ok(())
    }

    fn hear(self: &Arc<Self>, bytes: &[u8]) {
        let Some((message, origin)) = Message::decode(bytes) else {
            tracing::debug!(bytes = bytes.len(), "a message that is not understood is ignored");
            return;
        };
        if origin == self.origin {
            return;
        }
        match message {
            Message::Hello => self.answer(),
            Message::Waiting(hash) => self.awaited.note(hash, Instant::now()),
            Message::Done(hash) => self.ended_elsewhere(&hash),
            Message::Purged(hash) => {
                self.observers.purged(&hash);
                self.ended_elsewhere(&hash);
            }
        }
    }

    /// Everybody has been told, so nobody need be told again.
    fn ended_elsewhere(&self, hash: &Hash) {
        self.awaited.take(hash, Instant::now);
        self.waiters.wake(hash);
    }

    /// Says what is waited for here, unless that was just said.
    fn answer(self: &Arc<Self>) {
        let now = Instant::now();
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = answered.is_none_or(|answered| answered + ANSWER_EVERY <= now);
        if is_due {
            *answered = Some(now);
            drop(answered);
            self.announce();
        }
    }

    fn announce(self: &Arc<Self>) {
        for hash in self.waiters.awaited() {
            outbox::tell(self, Message::Waiting(hash));
        }
    }

    /// The subscription stands, or does not any more. What was said meanwhile was missed.
    fn hears(self: &Arc<Self>, ear: Ear) {
        self.set(ear);
        self.observers.missed();
        if ear == Ear::Listening {
            outbox::tell(self, Message::Hello);
            self.announce();
        }
    }

    fn is_deaf(self: &Arc<Self>, error: &RedisError) {
        self.hears(Ear::Deaf);
        if !self.warned_deaf.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                channel = &*self.channel,
                code = error.code(),
                "the store cannot subscribe to its channel: waiters find the ends of calls on other \
                 machines by looking, and near caches drop everything once a minute"
            );
        }
    }

    fn could_not_tell(&self, error: &RedisError) {
        if error.code() != Some("NOPERM") {
            tracing::debug!(code = error.code(), "other processes could not be told");
        } else if !self.warned_mute.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                channel = &*self.channel,
                "the redis user may not publish on the store's channel: waiters on other machines \
                 find the ends of calls by looking, and near caches there do not hear of purges"
            );
        }
    }

    fn nobody_listens(self: &Arc<Self>) {
        self.set(Ear::Off);
        self.observers.missed();
        self.is_started.store(false, Ordering::Release);
    }

    fn way(&self) -> (Arc<Link>, Arc<str>) {
        (Arc::clone(&self.link), Arc::clone(&self.channel))
    }

    fn ear(&self) -> Ear {
        match self.ear.load(Ordering::Acquire) {
            0 => Ear::Off,
            1 => Ear::Reaching,
            2 => Ear::Listening,
            _ => Ear::Deaf,
        }
    }

    fn set(&self, ear: Ear) {
        self.ear.store(ear as u8, Ordering::Release);
    }
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("channel", &self.channel)
            .field("ear", &self.ear())
            .finish_non_exhaustive()
    }
}
