//! [`close`]: the end of a connection that nobody uses any more.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use tokio::time::sleep;

const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// Whether the client is bringing a connection back that was made before: it waits for its next attempt, or is at one.
pub(crate) fn is_recovering(connection: &Connection) -> bool {
    connection.status().reconnecting() || connection.status().connecting()
}

/// Closes a connection in a task of its own, once it has come back if it is being recovered.
///
/// The client closes a connection that is dropped while it is connected. One that is dropped while it is being recovered comes
/// back, with its consumer, and nobody would receive that one's deliveries. In an attempt that fails the client forgets
/// that the connection was to be closed, too.
pub(crate) fn close(connection: Arc<Connection>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
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
        let _ = connection.close(200, "".into()).await;
    });
}
