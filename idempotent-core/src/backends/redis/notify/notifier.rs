//! Notifies waiters in this process and in others, and lets waiters wait.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::RedisResult;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::message::Message;
use super::message_handler::{MessageHandler, SubscriptionStatus};
use super::publisher::Publisher;
use super::subscriber;
use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::connection::Client;
use crate::backends::shared::notify::{self, PollPauses, Poller};
use crate::model::RecordId;
use crate::store::{Entry, PurgeObserver, StoreError, Wait, poll};

/// How often waiters announce what they wait for. Others forget it after three times as long.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

/// The notifications of one store.
pub(in crate::backends::redis) struct Notifier {
    client: Arc<Client>,
    handler: Arc<MessageHandler>,
    publisher: Arc<Publisher>,
    pauses: PollPauses,
    /// Dropped with the notifier, which ends the subscription.
    in_use: watch::Sender<()>,
}

impl Notifier {
    pub(in crate::backends::redis) fn new(
        client: Arc<Client>,
        tasks: Arc<BackgroundTasks>,
        prefix: &str,
        pauses: PollPauses,
    ) -> Self {
        let publisher = Arc::new(Publisher::new(Arc::clone(&client), tasks, prefix));
        let handler = Arc::new(MessageHandler::new(Arc::clone(&publisher)));
        Self { client, handler, publisher, pauses, in_use: watch::Sender::new(()) }
    }

    /// Subscribes, unless that has been started before.
    pub(in crate::backends::redis) fn start(&self) {
        if self.handler.is_started() {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.handler.start() {
            let subscriber =
                subscriber::run(Arc::downgrade(&self.handler), self.in_use.subscribe());
            self.publisher.tasks().spawn(&runtime, subscriber);
        }
    }

    /// Whether messages of others do not arrive, though somebody here may wait for one.
    pub(in crate::backends::redis) fn is_deaf(&self) -> bool {
        let status = self.handler.status();
        matches!(status, SubscriptionStatus::Connecting | SubscriptionStatus::Unavailable)
    }

    /// The call under an id ended, or may have. Waiters here wake, and others are told.
    pub(in crate::backends::redis) fn call_ended(&self, id: &RecordId) {
        let hash = id.hash();
        self.handler.waiters().wake(hash);
        // Before the subscription is in place, the waiters in other processes are unknown.
        let is_unknown = matches!(
            self.handler.status(),
            SubscriptionStatus::NotStarted | SubscriptionStatus::Connecting
        );
        if self.handler.remote_waiters().remove(hash, Instant::now) || is_unknown {
            self.publisher.publish_later(Message::Done(*hash));
        }
    }

    /// A record was purged, or may have been. Others are told before this returns: a copy that one of
    /// them keeps would otherwise stay until its ttl ends.
    pub(in crate::backends::redis) async fn purged(&self, id: &RecordId) -> RedisResult<()> {
        let hash = id.hash();
        self.handler.observers().purged(hash);
        self.handler.waiters().wake(hash);
        self.publisher.publish(Message::Purged(*hash)).await
    }

    /// Tells an observer of purges; `false` if this store cannot subscribe.
    pub(in crate::backends::redis) fn observe_purges(
        &self,
        observer: Weak<dyn PurgeObserver>,
    ) -> bool {
        if !self.client.can_connect() {
            return false;
        }
        self.handler.observers().add(observer);
        self.start();
        true
    }

    /// Waits until the reservation with that token may have ended.
    pub(in crate::backends::redis) async fn wait<L, F>(
        &self,
        request: &Wait<'_>,
        load: L,
    ) -> Result<(), StoreError>
    where
        L: Fn() -> F + Send + Sync + 'static,
        F: Future<Output = Result<Option<Entry>, StoreError>> + Send + 'static,
    {
        let Ok(runtime) = Handle::try_current() else {
            return poll::until_ended(load, request).await;
        };
        self.start();
        let (waiter, poller) = self.handler.waiters().join(*request.id.hash(), request.token);
        if let Some(poller) = poller {
            let handler = Arc::clone(&self.handler);
            let mut announced: Option<Instant> = None;
            let announce = move |poller: &Poller| {
                let is_due = announced.is_none_or(|at| at.elapsed() >= ANNOUNCE_EVERY);
                if is_due && handler.status() != SubscriptionStatus::Unavailable {
                    announced = Some(Instant::now());
                    handler.publisher().publish_later(Message::Waiting(*poller.hash()));
                }
            };
            let poll = notify::poll_until_ended(poller, request.token, self.pauses, load, announce);
            self.publisher.tasks().spawn(&runtime, poll);
        }
        let _ = timeout(request.timeout, waiter.woken()).await;
        Ok(())
    }

    /// Waits until everything has been published, but not longer than `limit`.
    pub(in crate::backends::redis) async fn flush(&self, limit: Duration) {
        // What was not published by then is lost, which costs waiters a poll.
        let _ = timeout(limit, self.publisher.flush()).await;
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notifier")
            .field("channel", self.publisher.channel())
            .field("status", &self.handler.status())
            .finish_non_exhaustive()
    }
}
