//! [`Undone`]: why the transaction of a group is not committed.

use std::error::Error as StdError;
use std::sync::atomic::{AtomicBool, Ordering};

use super::attempt::Uncommitted;
use super::outage::is_outage;
use super::pool::InboxPool;
use crate::backends::is_conflict;
use crate::consumer::context::Context;
use crate::consumer::execute::chain;
use crate::store::StoreError;

/// Why nothing of a group is committed.
#[derive(Debug)]
pub(super) struct Undone {
    why: &'static str,
    /// The error, where there is one that is not the handler's own.
    cause: Option<String>,
    /// Whether other groups will most likely fare no better.
    is_refused: bool,
}

impl Undone {
    pub(super) const fn new(why: &'static str) -> Self {
        Self { why, cause: None, is_refused: false }
    }

    /// The database did not do what a group needs, which it does for other groups after a conflict or an outage.
    pub(super) fn by_database<P: InboxPool>(why: &'static str, error: &StoreError) -> Self {
        let is_refused = !is_conflict(error) && !is_outage::<P>(error);
        Self { why, cause: Some(chain(error)), is_refused }
    }

    pub(super) fn of<E>(why: &Uncommitted<E>) -> Self {
        let cause: Option<&(dyn StdError + 'static)> = match why {
            Uncommitted::Refused(error) => Some(error),
            Uncommitted::Commit(error) | Uncommitted::Unclear(error) => Some(error),
            _ => None,
        };
        Self { cause: cause.map(chain), ..Self::new(why.as_str()) }
    }
}

impl Context {
    /// Tells that a group is undone: as a warning, once a run, if all of them will be.
    pub(super) fn tell_undone(&self, undone: &Undone, messages: usize, has_warned: &AtomicBool) {
        let Undone { why, cause, is_refused } = undone;
        let (consumer, cause) = (self.operation.name, cause.as_deref());
        if *is_refused && !has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                consumer,
                messages,
                why,
                cause,
                "the database refuses what a group needs, so handlers run once more than without `group`"
            );
            return;
        }
        tracing::debug!(
            consumer,
            messages,
            why,
            cause,
            "a group's transaction is not committed, and its messages are handled one by one"
        );
    }
}
