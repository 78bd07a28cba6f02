//! One transaction: its begin, the call within it, and its commit.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use sqlx::{Database, Error as SqlError, Transaction as SqlTransaction};
use tokio::time::{Instant, timeout, timeout_at};

use super::handler::InboxHandler;
use super::lanes::{Lane, Lanes};
use super::lent::Lender;
use super::outage::is_unclear;
use super::pool::{Ends, InboxPool};
use super::slot::Slot;
use crate::call::CallBuilder;
use crate::consumer::catch_panic::{CatchPanic, Panicked};
use crate::consumer::context::{Context, Stage};
use crate::consumer::keep_alive::{Kept, ends_at};
use crate::consumer::message::Message;
use crate::engine::current;
use crate::error::Error;

/// How long a rollback may take that nobody needs: sqlx rolls back anyway before it uses the connection again.
const ROLLBACK: Duration = Duration::from_secs(1);

/// Why a transaction was not committed.
pub(super) enum Uncommitted<E> {
    /// The handler returned an error.
    Failed(E),
    Panicked,
    TimedOut,
    Halted,
    /// The consumer stops, and there is no transaction yet.
    NotStarted,
    /// The handler may not run: its attempts are used up.
    UsedUp,
    /// The engine refused the call.
    Refused(Error),
    /// There is no transaction.
    Begin(SqlError),
    /// The commit has failed.
    Commit(SqlError),
    /// Nobody knows whether it is committed.
    Unclear(SqlError),
    /// The handler has ended, and something still has its transaction.
    Kept,
}

impl<E> Uncommitted<E> {
    /// For logs.
    pub(super) const fn as_str(&self) -> &'static str {
        match self {
            Self::Failed(_) => "a handler failed",
            Self::Panicked => "a handler panicked",
            Self::TimedOut => "the handlers ran for longer than a group may",
            Self::Halted | Self::NotStarted => "the consumer stops",
            Self::UsedUp => "a message's attempts are used up",
            Self::Refused(_) => "a call was refused",
            Self::Begin(_) => "the database does not answer",
            Self::Commit(_) => "the commit failed",
            Self::Unclear(_) => "the answer to the commit is lost",
            Self::Kept => "something still has the transaction",
        }
    }
}

/// What a call in a transaction came to.
pub(super) struct Committed {
    /// Whether the handler ran; otherwise it was handled before.
    pub(super) has_run: bool,
}

impl<E> From<Error> for Uncommitted<E> {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// A message that is handled within a transaction.
pub(super) struct Attempted<'a, H> {
    pub(super) handler: &'a H,
    pub(super) message: &'a Message,
    pub(super) kept: Option<&'a Kept>,
    /// Whether the handler may run.
    pub(super) may_run: bool,
}

impl Context {
    /// Begins a transaction, runs the message's call in it, and commits, or rolls back.
    pub(super) async fn attempt_within<P, H, A>(
        &self,
        lanes: &Arc<Lanes<P>>,
        attempted: &Attempted<'_, H>,
        (call, input): (CallBuilder, H::Input),
        has_run: &mut bool,
    ) -> Result<Committed, Uncommitted<H::Err>>
    where
        P: InboxPool,
        H: InboxHandler<P::Database, A>,
    {
        let beginning = self.unless_stopping(self.begin_on_lane(lanes)).await;
        let (mut lane, tx) =
            beginning.ok_or(Uncommitted::NotStarted)?.map_err(Uncommitted::Begin)?;
        let mut slot = Slot::<P>::of(attempted.message, tx);
        let called = self.call_within(&mut slot, attempted, (call, input), None, has_run).await;
        let has_run = *has_run;
        match (called, slot.tx.take()) {
            (Ok(()), Some(tx)) if has_run => {
                let is_complete = slot.is_complete;
                let ends = Ends { is_complete, goes_on: is_complete && lane.goes_on() };
                lane.tx = self.commit_within::<P, _>(tx, ends).await?;
                Ok(Committed { has_run })
            }
            // It was handled before, so there is nothing to commit.
            (Ok(()), Some(tx)) => {
                roll_back_unused(tx).await;
                Ok(Committed { has_run })
            }
            (Ok(()), None) => Err(Uncommitted::Kept),
            (Err(error), tx) => {
                if let Some(tx) = tx {
                    roll_back::<P>(tx).await;
                }
                Err(error)
            }
        }
    }

    /// Runs a message's call in a transaction, for no longer than until then, or its own `max_run`. The slot has the
    /// transaction again, unless it is lost.
    pub(super) async fn call_within<P, H, A>(
        &self,
        slot: &mut Slot<P>,
        attempted: &Attempted<'_, H>,
        (call, input): (CallBuilder, H::Input),
        until: Option<Instant>,
        has_run: &mut bool,
    ) -> Result<(), Uncommitted<H::Err>>
    where
        P: InboxPool,
        H: InboxHandler<P::Database, A>,
    {
        let call = call.returning::<Result<H::Ok, Uncommitted<H::Err>>>();
        let running = call.in_transaction(slot).run(|slot| async move {
            let result = match (attempted.may_run, slot.tx.take()) {
                (true, Some(tx)) => {
                    *has_run = true;
                    let (lender, lent) = Lender::lend(tx).await;
                    if let (Some(kept), Some(call)) = (attempted.kept, current()) {
                        kept.while_runs(call, self.settings.max_run());
                    }
                    let (handler, message) = (attempted.handler, attempted.message);
                    let handled = CatchPanic::new(|| handler.call(input, lent, message));
                    let until = until.unwrap_or_else(|| ends_at(self.settings.max_run()));
                    let result = self.run_within(handled, until).await;
                    if let Some(kept) = attempted.kept {
                        kept.has_ended();
                    }
                    // If a statement still runs, the rollback waits for it a while. Otherwise sqlx rolls back before the
                    // connection is used again.
                    match (lender.take_back(), result) {
                        (Some(tx), result) => {
                            slot.tx = Some(tx);
                            result
                        }
                        (None, result) => result.and(Err(Uncommitted::Kept)),
                    }
                }
                _ => Err(Uncommitted::UsedUp),
            };
            (slot, result)
        });
        running.await.map(drop)
    }

    /// Commits. Gives the next transaction, if one is to begin and has.
    pub(super) async fn commit_within<P: InboxPool, E>(
        &self,
        tx: SqlTransaction<'static, P::Database>,
        ends: Ends,
    ) -> Result<Option<SqlTransaction<'static, P::Database>>, Uncommitted<E>> {
        let limit = self.settings.engine.settings().store_timeout;
        match timeout(limit, P::commit(tx, ends)).await {
            Ok(Ok(next)) => Ok(next),
            Ok(Err(error)) if is_unclear::<P>(&error) => Err(Uncommitted::Unclear(error)),
            Ok(Err(error)) => Err(Uncommitted::Commit(error)),
            Err(_) => Err(Uncommitted::Unclear(no_answer())),
        }
    }

    /// Waits for a lane for no longer than for a connection, and begins a transaction there, unless one has begun.
    async fn begin_on_lane<P: InboxPool>(
        &self,
        lanes: &Arc<Lanes<P>>,
    ) -> Result<(Lane<P>, SqlTransaction<'static, P::Database>), SqlError> {
        let limit = self.settings.engine.settings().store_timeout;
        let limit = limit.saturating_add(lanes.pool.acquire_timeout());
        let mut lane = timeout(limit, lanes.enter()).await.map_err(|_| no_answer())?;
        if let Some(tx) = lane.tx.take() {
            return Ok((lane, tx));
        }
        let tx = self.begin_within(&lanes.pool, None).await?;
        lane.begins_anew();
        Ok((lane, tx))
    }

    /// Begins a transaction, whose statements may take no longer than that, nor silence much longer: a process that is stopped
    /// ends no statement, and holds the locks. A database that is cut off may never answer.
    pub(super) async fn begin_within<P: InboxPool>(
        &self,
        pool: &P,
        statements: Option<Duration>,
    ) -> Result<SqlTransaction<'static, P::Database>, SqlError> {
        let limit = self.settings.engine.settings().store_timeout;
        let idle = statements.map(|longest| longest.saturating_add(limit.saturating_mul(2)));
        let limit = limit.saturating_add(pool.acquire_timeout());
        timeout(limit, pool.begin(statements, idle)).await.unwrap_or_else(|_| Err(no_answer()))
    }

    async fn run_within<T, E>(
        &self,
        handled: CatchPanic<impl Future<Output = Result<T, E>>>,
        until: Instant,
    ) -> Result<T, Uncommitted<E>> {
        let halted = std::pin::pin!(self.reached(Stage::Halted));
        match timeout_at(until, select(handled, halted)).await {
            Ok(Either::Left((Ok(Ok(value)), _))) => Ok(value),
            Ok(Either::Left((Ok(Err(error)), _))) => Err(Uncommitted::Failed(error)),
            Ok(Either::Left((Err(Panicked), _))) => Err(Uncommitted::Panicked),
            Ok(Either::Right(_)) => Err(Uncommitted::Halted),
            Err(_) => Err(Uncommitted::TimedOut),
        }
    }
}

/// Rolls back what a handler had. If that takes long, or fails, sqlx does so before the connection is used again.
pub(super) async fn roll_back<P: InboxPool>(tx: SqlTransaction<'static, P::Database>) {
    let _ = timeout(ROLLBACK, P::roll_back(tx)).await;
}

/// The same for a transaction that no handler had.
pub(super) async fn roll_back_unused<DB: Database>(tx: SqlTransaction<'static, DB>) {
    let _ = timeout(ROLLBACK, tx.rollback()).await;
}

fn no_answer() -> SqlError {
    SqlError::Io(io::ErrorKind::TimedOut.into())
}
