//! One transaction: its begin, the call within it, and its commit.

use std::future::Future;

use futures_util::future::{Either, select};
use sqlx::Error as SqlError;
use tokio::time::timeout;

use super::handler::InboxHandler;
use super::lent::Lender;
use super::pool::InboxPool;
use super::slot::Slot;
use crate::call::CallBuilder;
use crate::consumer::catch_panic::{CatchPanic, Panicked};
use crate::consumer::context::{Context, Stage};
use crate::consumer::keep_alive::Kept;
use crate::consumer::message::Message;
use crate::engine::current;
use crate::error::Error;

/// Why a transaction was not committed.
pub(super) enum Uncommitted<E> {
    /// The handler returned an error.
    Failed(E),
    Panicked,
    TimedOut,
    Halted,
    /// The handler may not run: its attempts are used up.
    UsedUp,
    /// The engine refused the call.
    Refused(Error),
    Database(SqlError),
    /// The handler has ended, and something still has its transaction.
    Kept,
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

/// What one transaction is made with.
pub(super) struct Attempted<'a, P, H> {
    pub(super) pool: &'a P,
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
        attempted: &Attempted<'_, P, H>,
        call: CallBuilder,
        input: H::Input,
        has_run: &mut bool,
    ) -> Result<Committed, Uncommitted<H::Err>>
    where
        P: InboxPool,
        H: InboxHandler<P::Database, A>,
    {
        let tx = attempted.pool.begin().await.map_err(Uncommitted::Database)?;
        let mut slot = Slot::<P::Database>(Some(tx));
        let call = call.returning::<Result<H::Ok, Uncommitted<H::Err>>>();
        let ran = &mut *has_run;
        let running = call.in_transaction(&mut slot).run(|slot| async move {
            let result = match (attempted.may_run, slot.0.take()) {
                (true, Some(tx)) => {
                    *ran = true;
                    let (lender, lent) = Lender::lend(tx).await;
                    if let (Some(kept), Some(call)) = (attempted.kept, current()) {
                        kept.while_runs(call, self.settings.max_run());
                    }
                    let (handler, message) = (attempted.handler, attempted.message);
                    let handled = CatchPanic::new(|| handler.call(input, lent, message));
                    let result = self.run_within(handled).await;
                    if let Some(kept) = attempted.kept {
                        kept.has_ended();
                    }
                    match (lender.take_back(), result) {
                        // A statement may still be running, and nobody waits for it: the transaction is rolled back
                        // before its connection is used again.
                        (_, Err(Uncommitted::TimedOut)) => Err(Uncommitted::TimedOut),
                        (_, Err(Uncommitted::Halted)) => Err(Uncommitted::Halted),
                        (Some(tx), result) => {
                            slot.0 = Some(tx);
                            result
                        }
                        (None, result) => result.and(Err(Uncommitted::Kept)),
                    }
                }
                _ => Err(Uncommitted::UsedUp),
            };
            (slot, result)
        });
        let result = running.await;
        match (result, slot.0.take()) {
            (Ok(_), Some(tx)) => {
                P::commit(tx).await.map_err(Uncommitted::Database)?;
                Ok(Committed { has_run: *has_run })
            }
            (Ok(_), None) => Err(Uncommitted::Kept),
            (Err(error), tx) => {
                if let Some(tx) = tx {
                    // sqlx rolls back anyway before it uses the connection again.
                    let _ = tx.rollback().await;
                }
                Err(error)
            }
        }
    }

    async fn run_within<T, E>(
        &self,
        handled: CatchPanic<impl Future<Output = Result<T, E>>>,
    ) -> Result<T, Uncommitted<E>> {
        let halted = std::pin::pin!(self.reached(Stage::Halted));
        match timeout(self.settings.max_run(), select(handled, halted)).await {
            Ok(Either::Left((Ok(Ok(value)), _))) => Ok(value),
            Ok(Either::Left((Ok(Err(error)), _))) => Err(Uncommitted::Failed(error)),
            Ok(Either::Left((Err(Panicked), _))) => Err(Uncommitted::Panicked),
            Ok(Either::Right(_)) => Err(Uncommitted::Halted),
            Err(_) => Err(Uncommitted::TimedOut),
        }
    }
}
