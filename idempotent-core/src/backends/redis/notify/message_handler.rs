//! Acts on the messages of other processes, and on changes of the subscription.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::RedisError;
use tokio::time::Instant;

use super::message::Message;
use super::publisher::Publisher;
use super::remote_waiters::RemoteWaiters;
use crate::backends::shared::notify::{Hash, PurgeObservers, Waiters};

/// A store that joins the channel is told who waits here, but not more often than this.
const ANSWER_EVERY: Duration = Duration::from_secs(1);

/// What is known of the waiters here and in other processes.
pub(super) struct MessageHandler {
    publisher: Arc<Publisher>,
    status: AtomicU8,
    is_started: AtomicBool,
    remote_waiters: RemoteWaiters,
    waiters: Arc<Waiters>,
    observers: PurgeObservers,
    answered: Mutex<Option<Instant>>,
    has_warned: AtomicBool,
}

/// The state of the subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum SubscriptionStatus {
    /// Nobody has asked for it yet.
    NotStarted,
    /// It is being made.
    Connecting,
    /// It is in place.
    Subscribed,
    /// The store cannot have one.
    Unavailable,
}

impl MessageHandler {
    pub(super) fn new(publisher: Arc<Publisher>) -> Self {
        let can_subscribe = publisher.client().can_connect();
        let status = if can_subscribe {
            SubscriptionStatus::NotStarted
        } else {
            SubscriptionStatus::Unavailable
        };
        Self {
            publisher,
            status: AtomicU8::new(status as u8),
            // A store that cannot subscribe never starts to.
            is_started: AtomicBool::new(!can_subscribe),
            remote_waiters: RemoteWaiters::default(),
            waiters: Arc::default(),
            observers: PurgeObservers::default(),
            answered: Mutex::default(),
            has_warned: AtomicBool::new(false),
        }
    }

    pub(super) const fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// The waiters of this process.
    pub(super) const fn waiters(&self) -> &Arc<Waiters> {
        &self.waiters
    }

    pub(super) const fn observers(&self) -> &PurgeObservers {
        &self.observers
    }

    pub(super) const fn remote_waiters(&self) -> &RemoteWaiters {
        &self.remote_waiters
    }

    pub(super) fn is_started(&self) -> bool {
        self.is_started.load(Ordering::Relaxed)
    }

    /// Returns whether the caller must start the subscriber.
    pub(super) fn start(&self) -> bool {
        let must_start = !self.is_started.swap(true, Ordering::AcqRel);
        if must_start {
            self.set_status(SubscriptionStatus::Connecting);
        }
        must_start
    }

    pub(super) fn status(&self) -> SubscriptionStatus {
        match self.status.load(Ordering::Acquire) {
            0 => SubscriptionStatus::NotStarted,
            1 => SubscriptionStatus::Connecting,
            2 => SubscriptionStatus::Subscribed,
            _ => SubscriptionStatus::Unavailable,
        }
    }

    /// A message arrived.
    pub(super) fn handle(&self, bytes: &[u8]) {
        let Some((message, origin)) = Message::decode(bytes) else {
            tracing::debug!(bytes = bytes.len(), "ignored a message of an unknown format");
            return;
        };
        if origin == self.publisher.origin() {
            return;
        }
        match message {
            Message::Hello => self.answer_hello(),
            Message::Waiting(hash) => self.remote_waiters.add(hash, Instant::now()),
            Message::Done(hash) => self.call_ended(&hash),
            Message::Purged(hash) => {
                self.observers.purged(&hash);
                self.call_ended(&hash);
            }
        }
    }

    /// The subscription is in place, or is not any more. Messages in between were missed.
    pub(super) fn subscription_changed(&self, status: SubscriptionStatus) {
        self.set_status(status);
        self.observers.purges_missed();
        if status == SubscriptionStatus::Subscribed {
            self.publisher.publish_later(Message::Hello);
            self.announce_waiters();
        }
    }

    /// The server refused the subscription.
    pub(super) fn subscription_refused(&self, error: &RedisError) {
        self.subscription_changed(SubscriptionStatus::Unavailable);
        if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                channel = &**self.publisher.channel(),
                code = error.code(),
                "the store cannot subscribe to its channel: waiters find out by polling that a call \
                 in another process has ended, and near caches drop everything once a minute; grant \
                 the channel with ACL SETUSER"
            );
        }
    }

    /// The subscriber has ended; another one may be started.
    pub(super) fn subscriber_ended(&self) {
        self.set_status(SubscriptionStatus::NotStarted);
        self.observers.purges_missed();
        self.is_started.store(false, Ordering::Release);
    }

    /// A call ended in another process, which has told everybody.
    fn call_ended(&self, hash: &Hash) {
        self.remote_waiters.remove(hash, Instant::now);
        self.waiters.wake(hash);
    }

    fn answer_hello(&self) {
        let now = Instant::now();
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = answered.is_none_or(|answered| answered + ANSWER_EVERY <= now);
        if is_due {
            *answered = Some(now);
            drop(answered);
            self.announce_waiters();
        }
    }

    fn announce_waiters(&self) {
        for hash in self.waiters.awaited() {
            self.publisher.publish_later(Message::Waiting(hash));
        }
    }

    fn set_status(&self, status: SubscriptionStatus) {
        self.status.store(status as u8, Ordering::Release);
    }
}
