//! Waking who waits, and telling of purges: what the stores of one table say to each other.
//!
//! Whoever ends a call notifies in the statement that ends it, and only where the row says that
//! somebody waits: a notification takes a lock that all commits of a database share. Whoever waits
//! marks the row with their first look. What was missed costs a waiter a look, and near caches their
//! copies. [`listen`] is the connection that hears, [`message`] what is said.

mod listen;
mod message;

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};

use sqlx::PgPool;
use tokio::runtime::Handle;
use tokio::time::timeout;

use self::message::Message;
use super::Shared;
use super::look;
use crate::record::RecordId;
use crate::store::wake::{self, Looks, Observers, Waiters};
use crate::store::{Observer, StoreError, Wait, poll};

/// Who waits in this process, who keeps copies, and how they hear of other processes.
pub(super) struct Hub {
    /// Where to listen; `None` if that is not wanted.
    way: Option<Way>,
    looks: Looks,
    /// Whether somebody here has ever wanted to hear.
    is_wanted: AtomicBool,
    is_started: AtomicBool,
    /// Dropped with the hub, which ends the listening.
    in_use: tokio::sync::watch::Sender<()>,
    waiters: Arc<Waiters>,
    observers: Observers,
}

/// The way to what is said.
#[derive(Clone)]
pub(super) struct Way {
    /// Which says how to connect: its login may change.
    pub(super) pool: PgPool,
    pub(super) channel: Arc<str>,
}

impl Hub {
    pub(super) fn new(way: Option<Way>, looks: Looks) -> Arc<Self> {
        Arc::new(Self {
            way,
            looks,
            is_wanted: AtomicBool::new(false),
            is_started: AtomicBool::new(false),
            in_use: tokio::sync::watch::Sender::new(()),
            waiters: Arc::default(),
            observers: Observers::default(),
        })
    }

    /// The call under an id ended, or may have. Others are told by the server.
    pub(super) fn ended(&self, id: &RecordId) {
        self.waiters.wake(id.hash());
    }

    /// A record was purged, or may have been.
    pub(super) fn purged(&self, id: &RecordId) {
        self.observers.purged(id.hash());
        self.waiters.wake(id.hash());
    }

    /// Tells an observer of purges; `false` if this store does not listen.
    pub(super) fn observe(self: &Arc<Self>, observer: Weak<dyn Observer>) -> bool {
        if self.way.is_none() {
            return false;
        }
        self.observers.add(observer);
        self.start();
        true
    }

    /// Listens from now on, if that has not begun yet.
    fn start(self: &Arc<Self>) {
        self.is_wanted.store(true, Ordering::Relaxed);
        self.go_on();
    }

    /// Listens again, if somebody wants to hear and the runtime that listened is gone.
    pub(super) fn go_on(self: &Arc<Self>) {
        let (wanted, started) = (&self.is_wanted, &self.is_started);
        if !wanted.load(Ordering::Relaxed) || started.load(Ordering::Relaxed) {
            return;
        }
        let (Some(way), Ok(runtime)) = (&self.way, Handle::try_current()) else { return };
        if !self.is_started.swap(true, Ordering::AcqRel) {
            let (hub, in_use) = (Arc::downgrade(self), self.in_use.subscribe());
            runtime.spawn(listen::run(hub, way.clone(), in_use));
        }
    }

    fn hear(&self, payload: &str) {
        match Message::parse(payload) {
            Some(Message::Done(hash)) => self.waiters.wake(&hash),
            Some(Message::Purged(hash)) => {
                self.observers.purged(&hash);
                self.waiters.wake(&hash);
            }
            None => tracing::debug!("a notification that is not understood is ignored"),
        }
    }

    /// Everything may have happened unheard until now.
    fn missed(&self) {
        self.observers.missed();
        self.waiters.look();
    }

    fn nobody_listens(&self) {
        self.is_started.store(false, Ordering::Release);
        self.observers.missed();
    }
}

/// Waits until the reservation of that token may have ended. Never fails: a server that cannot be
/// asked may be back before the waiter's time is up.
pub(super) async fn wait(store: &Arc<Shared>, request: &Wait<'_>) -> Result<(), StoreError> {
    let Ok(runtime) = Handle::try_current() else {
        return poll::until_ended(|| look::load(store, request.id), request).await;
    };
    let hub = &store.hub;
    hub.start();
    let (waiter, lookout) = hub.waiters.join(*request.id.hash(), request.token);
    if let Some(lookout) = lookout {
        let (store, id, token) = (Arc::clone(store), request.id.clone(), request.token);
        let is_marked = Arc::new(AtomicBool::new(hub.way.is_none()));
        let look = move || {
            let (store, id, is_marked) = (Arc::clone(&store), id.clone(), Arc::clone(&is_marked));
            async move {
                if is_marked.load(Ordering::Relaxed) {
                    return look::load(&store, &id).await;
                }
                let found = look::mark(&store, &id, token).await?;
                is_marked.store(true, Ordering::Relaxed);
                Ok(found)
            }
        };
        runtime.spawn(wake::until_ended(lookout, token, hub.looks, look, |_| ()));
    }
    let _ = timeout(request.timeout, waiter.woken()).await;
    Ok(())
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub")
            .field("channel", &self.way.as_ref().map(|way| &way.channel))
            .field("looks", &self.looks)
            .finish_non_exhaustive()
    }
}
