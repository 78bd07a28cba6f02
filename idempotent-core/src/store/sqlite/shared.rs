//! What the clones of a store share.

use std::fmt;

use tokio::sync::watch;

use super::file::Owner;
use super::hub::Hub;
use super::link::Link;
use super::names::Names;
use super::statements::Statements;
use super::transaction::Tables;

/// What the clones of a store share.
pub(super) struct Shared {
    pub(super) link: Link,
    pub(super) statements: Statements,
    pub(super) tables: Tables,
    pub(super) hub: Hub,
    names: Names,
    owner: Owner,
    /// Dropped with the store, which stops its tasks too.
    stop: watch::Sender<bool>,
}

/// What a task of the store looks at to know when it is over.
pub(super) struct Stopped(watch::Receiver<bool>);

impl Shared {
    pub(super) fn new(link: Link, names: Names, owner: Owner, hub: Hub) -> Self {
        let (statements, tables) = (Statements::new(&names), Tables::new(&names));
        Self { link, statements, tables, hub, names, owner, stop: watch::Sender::new(false) }
    }

    pub(super) fn stopped(&self) -> Stopped {
        Stopped(self.stop.subscribe())
    }

    pub(super) fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Ends the store's tasks, and its connections if they are its own.
    pub(super) async fn close(&self) {
        self.stop.send_replace(true);
        if self.owner == Owner::Store {
            self.link.pool().close().await;
        }
    }
}

impl Stopped {
    /// Ends when the store does.
    pub(super) async fn wait(&mut self) {
        let _ = self.0.wait_for(|stopped| *stopped).await;
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("file", &self.link.pool().connect_options().get_filename())
            .field("table", &self.names.table())
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
