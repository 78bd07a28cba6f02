//! [`Next`]: what the end of a transaction means for its message.

use std::error::Error as StdError;
use std::time::Duration;

use sqlx::Error as SqlError;

use super::attempt::Uncommitted;
use super::outage::is_outage;
use super::pool::InboxPool;
use super::slot::is_first_delivery;
use crate::backends::is_conflict;
use crate::consumer::acquire::{Attempt, End};
use crate::consumer::catch_panic::unless_panics;
use crate::consumer::context::Context;
use crate::consumer::execute::{Failed, chain};
use crate::consumer::failure::Failure;
use crate::consumer::message::Message;
use crate::consumer::outcome::DeliveryOutcome;
use crate::consumer::verdict::{ParkReason, Verdict};
use crate::error::{Error, ErrorKind};
use crate::store::{StoreError, StoreErrorKind};

pub(super) const GIVEN_BACK: End = (DeliveryOutcome::GivenBack, Verdict::GivenBack);

/// A delivery, and which attempt at it this is.
pub(super) struct Attempting<'a> {
    pub(super) message: &'a Message,
    pub(super) attempt: Attempt,
    /// What the broker is told if the handler may not run any more.
    pub(super) used_up: Option<End>,
}

/// What the end of a transaction means.
pub(super) enum Next {
    Ended(End),
    /// The same again, for this reason.
    Again(Again),
}

/// Why a transaction is run again.
pub(super) enum Again {
    /// It met another one.
    Conflict(String),
    /// It is not its turn yet: others write, or the engine has no room.
    Busy,
    /// The database does not answer, it seems.
    Outage(Error),
    /// Nor does it say whether it has committed.
    Unclear(Error),
}

impl Attempting<'_> {
    /// Whether nothing suggests that it fails. One that was delivered before may have taken its group, or its process,
    /// down, and so may one of which the broker does not say that this is its first delivery.
    pub(super) fn may_share_its_transaction(&self) -> bool {
        let is_first = is_first_delivery(self.message);
        self.used_up.is_none() && is_first && self.attempt.number <= 1
    }

    pub(super) fn failed(&self) -> Failed<'_> {
        Failed { message: self.message, attempt: self.attempt }
    }

    /// Counts an attempt that has failed.
    pub(super) async fn retried(
        &self,
        context: &Context,
        outcome: DeliveryOutcome,
        text: &str,
    ) -> End {
        (outcome, context.retry(&self.failed(), Failure::Retry, text).await)
    }

    /// The same for one that may be committed: its next call finds that out, so it is not parked now.
    pub(super) async fn retried_unclear(&self, context: &Context, text: &str) -> End {
        let (outcome, verdict) = self.retried(context, DeliveryOutcome::Unrecorded, text).await;
        match verdict {
            Verdict::Parked { .. } => {
                let after = context.settings.attempts.pause_after(self.attempt.number);
                (outcome, Verdict::Retry { after })
            }
            verdict => (outcome, verdict),
        }
    }

    /// What it means that nothing was committed, or that nobody knows.
    pub(super) async fn uncommitted<P: InboxPool, E>(
        &self,
        context: &Context,
        judge: fn(&E) -> Failure,
        why: Uncommitted<E>,
        has_run: bool,
    ) -> Next
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let retried = |outcome, text: String| async move {
            Next::Ended(self.retried(context, outcome, &text).await)
        };
        let operation = context.operation.name;
        match why {
            Uncommitted::Failed(error) => self.judged::<P, E>(context, judge, error).await,
            Uncommitted::Panicked => {
                retried(DeliveryOutcome::Panicked, "the handler panicked".to_owned()).await
            }
            Uncommitted::TimedOut => {
                let text = "the handler ran for longer than `max_run`".to_owned();
                retried(DeliveryOutcome::TimedOut, text).await
            }
            Uncommitted::Kept => {
                let text = "the handler has ended, and something still has its transaction";
                retried(DeliveryOutcome::Failed, text.to_owned()).await
            }
            // Nothing has happened, so it may run elsewhere at once.
            Uncommitted::Halted => Next::Ended((DeliveryOutcome::Interrupted, Verdict::GivenBack)),
            Uncommitted::NotStarted => {
                context.take_back(self.message, self.attempt, None).await;
                Next::Ended(GIVEN_BACK)
            }
            Uncommitted::UsedUp => Next::Ended(self.used_up.clone().unwrap_or(GIVEN_BACK)),
            Uncommitted::Begin(error) if is_conflict(&error) => Next::Again(Again::Busy),
            // Whatever it is, such as a password that has changed, it is no fault of the message.
            Uncommitted::Begin(error) => {
                Next::Again(Again::Outage(database_error(operation, error)))
            }
            Uncommitted::Unclear(error) => {
                Next::Again(Again::Unclear(database_error(operation, error)))
            }
            Uncommitted::Commit(error) if is_conflict(&error) => conflict(&error),
            Uncommitted::Commit(error) => retried(DeliveryOutcome::Failed, chain(&error)).await,
            Uncommitted::Refused(error) if is_conflict(&error) => conflict(&error),
            // The handler, or the database, had ended the transaction, or can only roll it back.
            Uncommitted::Refused(error) if has_run && has_ended(&error) => {
                retried(DeliveryOutcome::Failed, chain(&error)).await
            }
            Uncommitted::Refused(error) if error.kind() == ErrorKind::Store => {
                Next::Again(Again::Outage(error))
            }
            Uncommitted::Refused(error) if error.kind() == ErrorKind::Overloaded => {
                Next::Again(Again::Busy)
            }
            Uncommitted::Refused(error) => {
                context.take_back(self.message, self.attempt, None).await;
                Next::Ended(context.refused(self.message, &error).await)
            }
        }
    }

    /// The handler returned an error. What it means is the judge's affair, unless that leaves it to us.
    async fn judged<P: InboxPool, E>(
        &self,
        context: &Context,
        judge: fn(&E) -> Failure,
        error: E,
    ) -> Next
    where
        E: Into<Box<dyn StdError + Send + Sync>>,
    {
        let judged = || {
            let failure = judge(&error);
            let error: Box<dyn StdError + Send + Sync> = error.into();
            let is_ours = matches!(failure, Failure::Retry | Failure::Unknown);
            let text = chain(&*error);
            let again = match () {
                () if is_conflict(&*error) => Some(Again::Conflict(text.clone())),
                () if is_ours && is_outage::<P>(&*error) => {
                    let outage = Error::new(ErrorKind::Store, context.operation.name);
                    Some(Again::Outage(outage.detail(text.clone())))
                }
                () => None,
            };
            (failure, text, again)
        };
        let panicked = || (Failure::Retry, "judging the handler's error panicked".to_owned(), None);
        let (failure, text, again) = unless_panics(judged).unwrap_or_else(panicked);
        if let Some(again) = again {
            return Next::Again(again);
        }
        let verdict = match failure {
            Failure::Permanent => context.park(&self.failed(), ParkReason::Permanent, &text),
            Failure::RetryAfter(_) => context.retry(&self.failed(), failure, &text).await,
            Failure::Retry | Failure::Unknown => {
                context.retry(&self.failed(), Failure::Retry, &text).await
            }
        };
        Next::Ended((DeliveryOutcome::Failed, verdict))
    }
}

fn conflict(error: &(dyn StdError + 'static)) -> Next {
    Next::Again(Again::Conflict(chain(error)))
}

/// The engine's error for one of the database.
pub(super) fn database_error(operation: &'static str, error: SqlError) -> Error {
    let refused = Error::new(ErrorKind::Store, operation)
        .detail("the inbox's database does not answer, or refuses the transaction")
        .retry_in(Some(Duration::from_secs(1)));
    match error {
        // It may quote the URL, and with it the password.
        SqlError::Configuration(_) => refused,
        error => refused.caused_by(error),
    }
}

/// Whether the transaction is not there any more, or can only be rolled back.
fn has_ended(error: &Error) -> bool {
    let cause = error.source().and_then(|cause| cause.downcast_ref::<StoreError>());
    cause.is_some_and(|cause| {
        matches!(cause.kind(), StoreErrorKind::RolledBack | StoreErrorKind::Mismatch)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_shares_its_transaction_only_in_what_is_known_to_be_its_first_delivery() {
        let message = || Message::new("7", "orders", "");
        let may_share = |message: &Message, used_up| {
            let attempt = Attempt { number: 1, is_noted: false };
            Attempting { message, attempt, used_up }.may_share_its_transaction()
        };
        assert!(may_share(&message().with_delivery_count(1), None));
        assert!(!may_share(&message().with_delivery_count(2), None));
        // A broker that says no more than that it was delivered before, or nothing at all.
        assert!(!may_share(&message(), None));
        assert!(!may_share(&message().with_delivery_count(1), Some(GIVEN_BACK)));
    }
}
