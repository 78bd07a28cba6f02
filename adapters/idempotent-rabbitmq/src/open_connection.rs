//! [`OpenConnection`]: a connection that is closed once nobody uses it any more.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lapin::Connection;
use tokio::time::{sleep, timeout};

use crate::client_tasks::ClientTasks;

const LOOKED_EVERY: Duration = Duration::from_millis(50);
/// How long the broker may take to answer that a connection is to be closed.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);
/// How long the client has after that to tell whoever waits for something on the connection.
const TOLD_WITHIN: Duration = Duration::from_millis(500);

/// A connection, and the tasks that the client has spawned for it. It is closed when it is dropped.
///
/// The client closes a dropped connection once the last of its channels is closed, and waits for the broker's answer for each. One
/// that never comes would keep the connection, its tasks and its thread.
pub(crate) struct OpenConnection {
    connection: Arc<Connection>,
    /// `None` once it is being closed.
    tasks: Mutex<Option<ClientTasks>>,
}

impl OpenConnection {
    pub(crate) fn new(connection: Connection, tasks: ClientTasks) -> Self {
        Self { connection: Arc::new(connection), tasks: Mutex::new(Some(tasks)) }
    }

    /// Whether the client is bringing the connection back: it waits for its next attempt, or is at one.
    pub(crate) fn is_recovering(&self) -> bool {
        is_recovering(&self.connection)
    }

    /// Closes the connection in a task of its own, once it has come back if it is being recovered.
    ///
    /// A connection that is dropped while it is being recovered would come back otherwise, with its consumer, and nobody would
    /// receive that one's deliveries. In an attempt that fails the client forgets that the connection was to be closed, too.
    pub(crate) fn close(&self) {
        let tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(tasks) = tasks else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let connection = Arc::clone(&self.connection);
        runtime.spawn(async move {
            if is_recovering(&connection) {
                tracing::error!(
                    "automatic recovery is on in the function that connects to RabbitMQ: switch it off, since the source \
                     connects anew by itself. The connection is closed once it has come back"
                );
            }
            while is_recovering(&connection) {
                sleep(LOOKED_EVERY).await;
            }
            // It is an error where the connection is closed already.
            let _ = timeout(CLOSED_WITHIN, connection.close(200, "".into())).await;
            sleep(TOLD_WITHIN).await;
            drop(tasks);
        });
    }
}

fn is_recovering(connection: &Connection) -> bool {
    connection.status().reconnecting() || connection.status().connecting()
}

impl Deref for OpenConnection {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for OpenConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.connection, f)
    }
}
