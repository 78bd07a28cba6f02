//! Waiting for the end of a call, which may run in any process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;

use crate::backends::postgres::inner::Inner;
use crate::backends::postgres::load::{load, load_awaited};
use crate::store::{StoreError, Wait};

/// Waits until the reservation of that token may have ended. Never fails: a server that cannot be
/// reached may be back before the waiter's time is up.
pub(in crate::backends::postgres) async fn wait(
    store: &Arc<Inner>,
    request: &Wait<'_>,
) -> Result<(), StoreError> {
    let notifications = &store.notifications;
    notifications.start(&store.tasks);
    // Nobody listens without a runtime.
    let is_listening = notifications.is_listening() && Handle::try_current().is_ok();
    let is_marked = Arc::new(AtomicBool::new(!is_listening));
    let (shared, id, token) = (Arc::clone(store), request.id.clone(), request.token);
    let load_entry = move || {
        let (store, id, is_marked) = (Arc::clone(&shared), id.clone(), Arc::clone(&is_marked));
        async move {
            if is_marked.load(Ordering::Relaxed) {
                return load(&store, &id).await;
            }
            let found = load_awaited(&store, &id, token).await?;
            is_marked.store(true, Ordering::Relaxed);
            Ok(found)
        }
    };
    notifications.notifier.wait(request, notifications.pauses, load_entry).await
}
