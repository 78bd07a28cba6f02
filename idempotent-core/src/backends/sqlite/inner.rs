//! What the clones of a store share.

use std::fmt;

use super::connection::Connection;
use super::database_file::Owner;
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
    owner: Owner,
}

impl Inner {
    pub(super) fn new(
        connection: Connection,
        names: TableNames,
        owner: Owner,
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
            owner,
        }
    }

    /// Ends the background tasks, and closes the connections if they are the store's own.
    pub(super) async fn close(&self) {
        self.tasks.stop().await;
        if self.owner == Owner::Store {
            self.connection.pool().close().await;
        }
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("file", &self.connection.pool().connect_options().get_filename())
            .field("table", &self.names.table())
            .field("owner", &self.owner)
            .finish_non_exhaustive()
    }
}
