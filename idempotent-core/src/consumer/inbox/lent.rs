//! [`InboxTransaction`]: the transaction of a message, for as long as its handler runs.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{Database, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// The transaction of a message, which its handler gets. It dereferences to sqlx's `Transaction`: pass `&mut tx` to a function
/// that takes one, and `&mut **tx` to a query. It is committed when the handler has returned `Ok`, and must be dropped by
/// then: handlers drop it at their end, and what they spawn must not take it along.
///
/// See [`ConsumerBuilder::within`](crate::consumer::ConsumerBuilder::within).
pub struct InboxTransaction<DB: Database>(OwnedMutexGuard<Transaction<'static, DB>>);

/// The lender's side.
pub(super) struct Lender<DB: Database>(Arc<Mutex<Transaction<'static, DB>>>);

impl<DB: Database> Lender<DB> {
    pub(super) async fn lend(tx: Transaction<'static, DB>) -> (Self, InboxTransaction<DB>) {
        let shared = Arc::new(Mutex::new(tx));
        // Nobody else has it yet, so this does not wait.
        let lent = Arc::clone(&shared).lock_owned().await;
        (Self(shared), InboxTransaction(lent))
    }

    /// The transaction, unless somebody still has it.
    pub(super) fn take_back(self) -> Option<Transaction<'static, DB>> {
        Arc::into_inner(self.0).map(Mutex::into_inner)
    }
}

impl<DB: Database> Deref for InboxTransaction<DB> {
    type Target = Transaction<'static, DB>;

    fn deref(&self) -> &Self::Target {
        &self.0
    }
}

impl<DB: Database> DerefMut for InboxTransaction<DB> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.0
    }
}

impl<DB: Database> fmt::Debug for InboxTransaction<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InboxTransaction")
    }
}
