//! [`close`]: the end of a connection that nobody uses any more.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use tokio::time::sleep;

const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// Closes a connection in a task of its own, once it has come back if it is being recovered.
///
/// The client closes a connection that is dropped while it is connected or connecting, and says nothing of one that is
/// being recovered just then. If it came back with its consumer, nobody would receive that one's deliveries.
pub(crate) fn close(connection: Arc<Connection>) {
    let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
    runtime.spawn(async move {
        if connection.status().reconnecting() {
            tracing::error!(
                "automatic recovery is on in the function that connects to RabbitMQ: switch it off, since the source \
                 connects anew by itself. The connection is closed once it has come back"
            );
        }
        while connection.status().reconnecting() || connection.status().connecting() {
            sleep(LOOKED_EVERY).await;
        }
        // It is an error where the connection is closed already.
        let _ = connection.close(200, "".into()).await;
    });
}
