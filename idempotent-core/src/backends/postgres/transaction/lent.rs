//! [`LentTransaction`]: a transaction for as long as a body runs, which need not hand it back.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use sqlx::{Postgres, Transaction};
use tokio::sync::{Mutex, OwnedMutexGuard};

type Owned = Transaction<'static, Postgres>;

/// A transaction that [`transact`](super::transact) lends to its body. It dereferences to sqlx's
/// `Transaction<'static, Postgres>`, and so stands where a `&mut Transaction` would: pass `&mut tx` to a function that
/// takes one, and `&mut **tx` to a query. When it is dropped, as at the end of the body, the transaction goes back.
///
/// It borrows nothing, so that the body's future can be spawned, and handlers of axum can make it.
pub struct LentTransaction(OwnedMutexGuard<Owned>);

/// The lender's side of a [`LentTransaction`].
pub(super) struct Lender(Arc<Mutex<Owned>>);

impl Lender {
    pub(super) async fn lend(transaction: Owned) -> (Self, LentTransaction) {
        let shared = Arc::new(Mutex::new(transaction));
        // Nobody else has it yet, so this does not wait.
        let lent = Arc::clone(&shared).lock_owned().await;
        (Self(shared), LentTransaction(lent))
    }

    /// The transaction, unless somebody still has it.
    pub(super) fn take_back(self) -> Option<Owned> {
        Arc::into_inner(self.0).map(Mutex::into_inner)
    }
}

impl Deref for LentTransaction {
    type Target = Owned;

    fn deref(&self) -> &Owned {
        &self.0
    }
}

impl DerefMut for LentTransaction {
    fn deref_mut(&mut self) -> &mut Owned {
        &mut self.0
    }
}

impl fmt::Debug for LentTransaction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LentTransaction")
    }
}
