//! [`close`]: the end of a connection that nobody uses any more.

use std::sync::Arc;
use std::time::Duration;

use lapin::Connection;
use tokio::time::sleep;

const LOOKED_EVERY: Duration = Duration::from_millis(50);

/// Closes a connection in a task of its own, if it is one that comes back.
///
/// The client closes a connection that is dropped, but not while that one is being recovered: it would come back,
/// with a consumer whose deliveries nobody receives and the broker keeps for whoever does.
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
