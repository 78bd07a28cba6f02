//! One transaction of several messages, one after the other.

use std::convert::Infallible;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tracing::{Instrument as _, Span};

use super::attempt::{Attempted, Uncommitted, roll_back, roll_back_unused};
use super::handler::InboxHandler;
use super::pool::{Ends, InboxPool};
use super::slot::Slot;
use super::undone::Undone;
use crate::backends::is_conflict;
use crate::call::CallBuilder;
use crate::consumer::context::{Context, Stage};
use crate::consumer::keep_alive::{KeptHandle, ends_at};
use crate::consumer::message::Message;
use crate::error::{Error, ErrorKind};
use crate::model::RecordId;
use crate::store::SharedRecords as _;

/// How long a group may run at most, and how long a message by itself keeps others waiting, so that those whose
/// handlers are stuck do not hold up the rest. Messages that are handled again one by one have all of `max_run`.
const LONGEST: Duration = Duration::from_secs(30);

/// A message that shares its transaction.
pub(super) struct Member<I> {
    pub(super) message: Message,
    pub(super) call: CallBuilder,
    pub(super) input: I,
    pub(super) kept: Option<KeptHandle>,
    pub(super) span: Span,
}

/// What became of a message in a transaction that is committed, or whose consumer stops.
pub(super) enum Together {
    Committed {
        /// Whether the handler ran; otherwise it was handled before.
        has_run: bool,
        took: Duration,
    },
    /// The engine refused the call, and nothing of it is in the transaction.
    Refused(Error),
    /// The consumer stops, and the handler has not started.
    NotStarted,
    /// The consumer stops, and the handler's transaction is rolled back.
    Halted,
}

impl Context {
    /// For how long a group may run.
    pub(super) fn group_time(&self) -> Duration {
        group_time(self.settings.max_run())
    }

    /// Handles messages in one transaction, in their order, for no longer than a group may run. What became of each, in their
    /// order; none of them at all if nothing is committed, or nobody knows whether it is: then each has to be handled by
    /// itself, which finds that out.
    pub(super) async fn handle_together<P, H, A>(
        &self,
        pool: &P,
        handler: &H,
        members: Vec<Member<H::Input>>,
        has_warned: &AtomicBool,
    ) -> Vec<Together>
    where
        P: InboxPool,
        H: InboxHandler<P::Database, A>,
    {
        let until = ends_at(self.group_time());
        let kept: Vec<KeptHandle> =
            members.iter().filter_map(|member| member.kept.clone()).collect();
        for kept in &kept {
            kept.while_group_runs(until);
        }
        let messages = members.len();
        let ended = self.try_together::<P, H, A>(pool, handler, members, until).await;
        for kept in &kept {
            kept.has_ended();
        }
        ended.unwrap_or_else(|undone| {
            self.tell_undone(&undone, messages, has_warned);
            Vec::new()
        })
    }

    /// The same, or why nothing is committed.
    async fn try_together<P, H, A>(
        &self,
        pool: &P,
        handler: &H,
        members: Vec<Member<H::Input>>,
        until: Instant,
    ) -> Result<Vec<Together>, Undone>
    where
        P: InboxPool,
        H: InboxHandler<P::Database, A>,
    {
        // A statement that the database is not done with would hold the locks of all messages, whoever waits for it.
        let left = until.saturating_duration_since(Instant::now());
        let begun = self.begin_within(pool, Some(left)).await;
        let tx = begun.map_err(|_| Undone::new("the database does not answer"))?;
        let (mut slot, mut ended) = (Slot::<P>::of_group(tx), Vec::with_capacity(members.len()));
        let engine = &self.settings.engine;
        let ids = members.iter().filter_map(|member| member.call.record_id(engine)).collect();
        if let Err(undone) = self.share(&mut slot, ids).await {
            if let Some(tx) = slot.tx.take() {
                roll_back_unused(tx).await;
            }
            return Err(undone);
        }
        for member in members {
            if self.has_reached(Stage::Stopping) {
                ended.push(Together::NotStarted);
                continue;
            }
            match self.member_within(&mut slot, handler, member, until).await {
                Ok(end) => ended.push(end),
                Err(why) => {
                    if let Some(tx) = slot.tx.take() {
                        roll_back::<P>(tx).await;
                    }
                    if !matches!(why, Uncommitted::Halted) {
                        return Err(Undone::of(&why));
                    }
                    ended.push(Together::Halted);
                    return Ok(ended.into_iter().map(Together::rolled_back).collect());
                }
            }
        }
        self.commit_together(slot, ended.iter().any(Together::has_run)).await.map(|()| ended)
    }

    /// Has the messages with these ids share their records, if the database can.
    async fn share<P: InboxPool>(
        &self,
        slot: &mut Slot<P>,
        ids: Vec<RecordId>,
    ) -> Result<(), Undone> {
        let (Some(tx), Some(tables)) = (&mut slot.tx, self.settings.engine.store().tables()) else {
            return Ok(());
        };
        let limit = self.settings.engine.settings().store_timeout;
        match timeout(limit, P::share(tx, tables, &ids)).await {
            Ok(Ok(shared)) => {
                slot.shared = shared;
                Ok(())
            }
            Ok(Err(error)) => {
                Err(Undone::by_database::<P>("what the group begins with failed", &error))
            }
            Err(_) => Err(Undone::new("the database does not answer")),
        }
    }

    /// Commits what the handlers did and its records, if any of them has run.
    async fn commit_together<P: InboxPool>(
        &self,
        mut slot: Slot<P>,
        has_run: bool,
    ) -> Result<(), Undone> {
        let kept = || Undone::new("something still has the transaction");
        let mut tx = slot.tx.take().ok_or_else(kept)?;
        if !has_run {
            roll_back_unused(tx).await;
            return Ok(());
        }
        let mut is_complete = false;
        if let (Some(mut shared), Some(tables)) =
            (slot.shared, self.settings.engine.store().tables())
        {
            let limit = self.settings.engine.settings().store_timeout;
            let undone = match timeout(limit, shared.write(&mut tx, tables)).await {
                Ok(Ok(is_all)) => {
                    is_complete = is_all;
                    None
                }
                Ok(Err(error)) => {
                    Some(Undone::by_database::<P>("writing the records failed", &error))
                }
                Err(_) => Some(Undone::new("the database does not answer")),
            };
            if let Some(undone) = undone {
                // Before the messages are handled again, which need the locks.
                roll_back::<P>(tx).await;
                return Err(undone);
            }
        }
        let ends = Ends { is_complete, goes_on: false };
        let committed = self.commit_within::<P, Infallible>(tx, ends).await;
        committed.map(drop).map_err(|why| Undone::of(&why))
    }

    /// Handles one of them. An error ends the transaction.
    async fn member_within<P, H, A>(
        &self,
        slot: &mut Slot<P>,
        handler: &H,
        member: Member<H::Input>,
        until: Instant,
    ) -> Result<Together, Uncommitted<H::Err>>
    where
        P: InboxPool,
        H: InboxHandler<P::Database, A>,
    {
        let (start, mut has_run) = (Instant::now(), false);
        let Member { message, call, input, span, .. } = member;
        // The group has its time, and is kept alive as a whole.
        let attempted = Attempted { handler, message: &message, kept: None, may_run: true };
        let called = self
            .call_within(slot, &attempted, (call, input), Some(until), &mut has_run)
            .instrument(span)
            .await;
        match called {
            Ok(()) => Ok(Together::Committed { has_run, took: start.elapsed() }),
            Err(Uncommitted::Refused(error)) if !has_run && leaves_it_alone(&error) => {
                Ok(Together::Refused(error))
            }
            Err(why) => Err(why),
        }
    }
}

fn group_time(max_run: Duration) -> Duration {
    max_run.min(LONGEST)
}

/// Whether the transaction is as it was before the call that was refused.
fn leaves_it_alone(error: &Error) -> bool {
    error.kind() != ErrorKind::Store && !is_conflict(error)
}

impl Together {
    const fn has_run(&self) -> bool {
        matches!(self, Self::Committed { has_run: true, .. })
    }

    /// What that means if the transaction is rolled back since its consumer stops.
    fn rolled_back(self) -> Self {
        match self {
            Self::Committed { has_run: true, .. } | Self::Halted => Self::Halted,
            // Whether it was handled before is found out when it comes again.
            _ => Self::NotStarted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_half_a_minute_or_less_if_its_handlers_have() {
        let second = Duration::from_secs(1);
        assert_eq!(group_time(Duration::MAX), second * 30);
        assert_eq!(group_time(second * 3_600), second * 30);
        assert_eq!(group_time(second * 5), second * 5);
    }
}
