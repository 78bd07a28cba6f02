//! What the clones of a store share.

use std::fmt;
use std::sync::Arc;

use super::connection::Connection;
use super::statements::Statements;
use super::table_names::TableNames;
use super::transaction::TransactionStatements;
use crate::backends::shared::background::{BackgroundTask, BackgroundTasks};
use crate::backends::shared::notify::{Notifier, PollPauses};
use crate::backends::shared::sql::Sweeper;

/// What the clones of a store share.
pub(super) struct Inner {
    pub(super) connection: Connection,
    pub(super) names: TableNames,
    pub(super) statements: Statements,
    pub(super) transaction_statements: TransactionStatements,
    pub(super) notifier: Notifier,
    pub(super) wait_pauses: PollPauses,
    pub(super) purge_reader: BackgroundTask,
    pub(super) sweeper: Sweeper,
    pub(super) tasks: BackgroundTasks,
    close_watch: BackgroundTask,
}

impl Inner {
    pub(super) fn new(
        connection: Connection,
        names: TableNames,
        wait_pauses: PollPauses,
        sweeper: Sweeper,
    ) -> Self {
        Self {
            statements: Statements::new(&names),
            transaction_statements: TransactionStatements::new(&names),
            connection,
            names,
            notifier: Notifier::default(),
            wait_pauses,
            purge_reader: BackgroundTask::default(),
            sweeper,
            tasks: BackgroundTasks::default(),
            close_watch: BackgroundTask::default(),
        }
    }

    /// Starts the background tasks, or starts them again if their runtime is gone.
    pub(super) fn start_tasks(self: &Arc<Self>) {
        self.sweeper.start(&self.tasks, self);
        let connections = self.connection.connections();
        self.close_watch.start(&self.tasks, |stop| {
            let connections = Arc::clone(connections);
            stop.cancels(async move {
                connections.application_closed().await;
                connections.close().await;
            })
        });
    }

    /// Ends the background tasks, and closes the store's own connections.
    pub(super) async fn close(&self) {
        self.tasks.stop().await;
        self.connection.connections().close().await;
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("file", &self.connection.connections().file())
            .field("table", &self.names.table())
            .finish_non_exhaustive()
    }
}
