//! What the clones of a store share.

use std::sync::Arc;

use tokio::time::timeout_at;

use super::connection::Connection;
use super::error::{store_error, timed_out};
use super::groups::Lanes;
use super::notify::Notifications;
use super::schema;
use super::server::server_of;
use super::statements::Statements;
use super::table_names::TableNames;
use super::transaction::TransactionStatements;
use crate::backends::shared::background::{BackgroundTask, BackgroundTasks};
use crate::backends::shared::first_connection::{Connects, FirstConnection, connecting};
use crate::backends::shared::sql::{Sweeper, schema_missing};
use crate::store::StoreError;

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
    may_migrate: bool,
    first_connection: FirstConnection,
    connecting: BackgroundTask,
    /// The server, for people.
    server: String,
}

impl Connects for Inner {
    fn first_connection(&self) -> &FirstConnection {
        &self.first_connection
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        self.named(self.prepare_schema().await)
    }
}

impl Inner {
    pub(super) fn new(
        connection: Connection,
        names: TableNames,
        lanes: Lanes,
        notifications: Notifications,
        sweeper: Sweeper,
        may_migrate: bool,
    ) -> Self {
        Self {
            server: server_of(&connection.pool().pool().connect_options()),
            statements: Statements::new(&names, connection.connections()),
            transaction_statements: TransactionStatements::new(&names),
            channel: names.channel(),
            connection,
            names,
            lanes,
            notifications,
            sweeper,
            tasks: BackgroundTasks::default(),
            may_migrate,
            first_connection: FirstConnection::new(),
            connecting: BackgroundTask::default(),
        }
    }

    /// Returns once the store may be used: at once, unless it has never connected.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.first_connection.is_made() {
            return Ok(());
        }
        self.start_connecting();
        Box::pin(self.first_connection.wait(self.connection.timeout())).await
    }

    /// Connects in the background, unless that is under way or done.
    pub(super) fn start_connecting(self: &Arc<Self>) {
        if let Some(task) = connecting(self) {
            self.connecting.start(&self.tasks, |stop| stop.cancels(task));
        }
    }

    /// Makes sure that the tables are there.
    async fn prepare_schema(&self) -> Result<(), StoreError> {
        let deadline = self.connection.deadline();
        let mut acquired = self.connection.acquire().await.map_err(store_error)?;
        let server = acquired.connection().map_err(store_error)?;
        let is_current = timeout_at(deadline, schema::is_current(server, &self.names)).await;
        if !is_current.unwrap_or_else(|_| Err(timed_out())).map_err(store_error)? {
            if !self.may_migrate {
                acquired.put_back();
                return Err(schema_missing());
            }
            schema::migrate(server, &self.names).await.map_err(store_error)?;
        }
        acquired.put_back();
        Ok(())
    }

    /// The versions of the schema that have not run yet, and their SQL.
    pub(super) async fn missing_migrations(&self) -> Result<Vec<(i32, String)>, StoreError> {
        let deadline = self.connection.deadline();
        let mut acquired = self.connection.acquire().await.map_err(store_error)?;
        let server = acquired.connection().map_err(store_error)?;
        let missing = timeout_at(deadline, schema::missing_migrations(server, &self.names)).await;
        missing.unwrap_or_else(|_| Err(timed_out())).map_err(store_error)
    }

    /// Names the server in an error.
    pub(super) fn named<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.map_err(|error| error.at(&*self.server))
    }

    /// The server, for people.
    pub(super) fn server(&self) -> &str {
        &self.server
    }

    /// The channel on which the stores of one table notify each other.
    pub(super) fn channel(&self) -> &str {
        &self.channel
    }
}
