//! What the clones of a store share.

use super::connection::Connection;
use super::groups::Lanes;
use super::notify::Notifications;
use super::statements::Statements;
use super::table_names::TableNames;
use super::transaction::TransactionStatements;
use crate::backends::shared::background::BackgroundTasks;
use crate::backends::shared::sql::Sweeper;

/// What the clones of a store share.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) connection: Connection,
    pub(super) names: TableNames,
    pub(super) statements: Statements,
    pub(super) transaction_statements: TransactionStatements,
    pub(super) notifications: Notifications,
    pub(super) lanes: Lanes,
    pub(super) sweeper: Sweeper,
    pub(super) tasks: BackgroundTasks,
    channel: String,
}

impl Inner {
    pub(super) fn new(
        connection: Connection,
        names: TableNames,
        lanes: Lanes,
        notifications: Notifications,
        sweeper: Sweeper,
    ) -> Self {
        Self {
            statements: Statements::new(&names, connection.connections()),
            transaction_statements: TransactionStatements::new(&names),
            channel: names.channel(),
            connection,
            names,
            lanes,
            notifications,
            sweeper,
            tasks: BackgroundTasks::default(),
        }
    }

    /// The channel on which the stores of one table notify each other.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }
}
