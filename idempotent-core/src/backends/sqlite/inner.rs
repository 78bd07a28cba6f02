//! What the clones of a store share.

use std::fmt;
use std::sync::Arc;

use super::connection::Connection;
use super::database_file::Preparation;
use super::error::store_error;
use super::schema;
use super::statements::Statements;
use super::table_names::TableNames;
use super::transaction::TransactionStatements;
use crate::backends::shared::background::{BackgroundTask, BackgroundTasks};
use crate::backends::shared::first_connection::{Connects, FirstConnection, connecting};
use crate::backends::shared::notify::{Notifier, PollPauses};
use crate::backends::shared::sql::Sweeper;
use crate::store::StoreError;

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
    preparation: Preparation,
    first_connection: FirstConnection,
    connecting: BackgroundTask,
    /// The file, for people.
    file: String,
}

impl Connects for Inner {
    fn first_connection(&self) -> &FirstConnection {
        &self.first_connection
    }

    async fn prepare(&self) -> Result<(), StoreError> {
        let prepared = self.preparation.run(self.connection.connections(), &self.names).await;
        self.named(prepared)
    }
}

impl Inner {
    pub(super) fn new(
        connection: Connection,
        names: TableNames,
        wait_pauses: PollPauses,
        sweeper: Sweeper,
        preparation: Preparation,
    ) -> Self {
        Self {
            file: format!("sqlite file {}", connection.connections().file().display()),
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
            preparation,
            first_connection: FirstConnection::new(),
            connecting: BackgroundTask::default(),
        }
    }

    /// Returns once the store may be used: at once, unless it has never opened its file.
    pub(super) async fn ready(self: &Arc<Self>) -> Result<(), StoreError> {
        if self.first_connection.is_made() {
            return Ok(());
        }
        self.start_connecting();
        Box::pin(self.first_connection.wait(self.connection.timeout())).await
    }

    /// Opens the file in the background, unless that is under way or done.
    pub(super) fn start_connecting(self: &Arc<Self>) {
        if let Some(task) = connecting(self) {
            self.connecting.start(&self.tasks, |stop| stop.cancels(task));
        }
    }

    /// The version of the tables; 0 if there are none, or no file.
    pub(super) async fn schema_version(&self) -> Result<i64, StoreError> {
        let connections = self.connection.connections();
        if !connections.file().exists() {
            return Ok(0);
        }
        let mut borrowed = connections.acquire_first().await.map_err(store_error)?;
        let version = schema::version(&mut borrowed.connection, &self.names).await;
        connections.give_back(borrowed, version.as_ref().err()).await;
        version.map_err(store_error)
    }

    /// Names the file in an error.
    pub(super) fn named<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        answer.map_err(|error| error.at(&*self.file))
    }

    /// The file, for people.
    pub(super) fn file(&self) -> &str {
        &self.file
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
