//! [`Gate`]: what holds messages up, so that others form a group behind them.

use std::sync::Arc;

use idempotent_core::consumer::{ConsumerBuilder, InboxPool, Message};
use idempotent_core::testing::sources::TestBroker;
use idempotent_tests::secs;
use tokio::sync::{Semaphore, watch};

use crate::effects::{Effects, until};

/// Messages whose handlers wait, so that those which come meanwhile form a group.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) opened: Arc<Semaphore>,
    pub(crate) arrived: Effects,
    /// How many of the others have joined a group, or will in the same poll of their task.
    joined: watch::Sender<usize>,
}

impl Gate {
    pub(crate) fn new() -> Self {
        let joined = watch::Sender::default();
        Self { opened: Arc::new(Semaphore::new(0)), arrived: Effects::default(), joined }
    }

    /// Notices who joins a group: the last that is asked before is its key. Those that wait in their handlers do not count: their
    /// keys are asked again when they are handled by themselves.
    pub(crate) fn watch(&self, builder: ConsumerBuilder) -> ConsumerBuilder {
        let joined = self.joined.clone();
        builder.key(move |message: &Message| {
            let is_counted = !message.id().starts_with("gate");
            joined.send_modify(|many| *many += usize::from(is_counted));
            message.id().to_owned()
        })
    }

    /// How many of the others have joined a group, or have asked for a connection.
    pub(crate) fn joined(&self) -> usize {
        *self.joined.borrow()
    }

    /// Waits until so many have joined a group.
    async fn until_joined(&self, many: usize) {
        let mut joined = self.joined.subscribe();
        let waiting = joined.wait_for(|joined| *joined >= many);
        tokio::time::timeout(secs(60), waiting).await.expect("they join").unwrap();
    }

    /// As many as there are groups at once, and then these.
    pub(crate) async fn publish_behind<P: InboxPool>(&self, broker: &TestBroker, ids: &[&str]) {
        for gate in 0..P::GROUPS {
            broker.publish(format!("gate-{gate}"), format!("gate-{gate}"));
        }
        for id in ids {
            broker.publish(*id, (*id).to_owned());
        }
    }

    /// Lets them go on, once so many others wait behind them.
    pub(crate) async fn open<P: InboxPool>(&self, waiting: usize) {
        self.until_shut::<P>(waiting).await;
        self.opened.add_permits(Semaphore::MAX_PERMITS / 2);
    }

    /// Waits until all others wait behind them.
    pub(crate) async fn until_shut<P: InboxPool>(&self, waiting: usize) {
        until(|| self.arrived.all().len() == P::GROUPS).await;
        self.until_joined(waiting).await;
    }

    /// For handlers.
    pub(crate) async fn pass(&self, id: &str) {
        if id.starts_with("gate") {
            self.arrived.add(id);
            let _ = self.opened.acquire().await;
        }
    }
}
