//! What becomes of a group that failed.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Error;
use tokio::time::Instant;

use super::member::{Member, Queued, Verdict};
use crate::backends::postgres::error::{is_lost, is_of_the_data, store_error_of};

/// Why a group failed.
pub(super) enum Failure {
    /// One of its members may be the reason: each half by itself tells which.
    OfOneMember,
    /// Each member learns the reason if it asks alone, and may have another answer.
    Unclear,
    /// The server cannot be reached, or does not answer: nobody should ask again at once.
    OfTheServer(Arc<Error>),
}

impl Failure {
    pub(super) fn of(error: Error) -> Self {
        match error {
            error if is_of_the_data(&error) => Self::OfOneMember,
            Error::PoolTimedOut | Error::PoolClosed => Self::OfTheServer(Arc::new(error)),
            error if is_lost(&error) => Self::OfTheServer(Arc::new(error)),
            _ => Self::Unclear,
        }
    }

    /// Answers all members of a group that is not tried again.
    pub(super) fn answer<M: Member>(&self, group: Vec<Queued<M>>) {
        for queued in group {
            queued.answer(match self {
                Self::OfTheServer(error) => Verdict::Failed(store_error_of(error)),
                Self::OfOneMember | Self::Unclear => Verdict::Singly,
            });
        }
    }
}

/// When to give up a group: just before the first of its callers does, so that it learns the reason.
pub(super) fn deadline<M: Member>(group: &[Queued<M>], timeout: Duration) -> Instant {
    let first = group.iter().map(|queued| queued.deadline).min();
    let now = Instant::now();
    first.and_then(|first| first.checked_sub(timeout / 50)).unwrap_or(now)
}
