//! Acquiring a key in the caller's transaction.

use std::convert::Infallible;

use super::acquired::Acquired;
use super::check::Found;
use super::prepare::Prepared;
use super::request::Request;
use crate::engine::idempotency::Idempotency;
use crate::engine::lease::current;
use crate::engine::settle::{TransactionReservation, transaction_error};
use crate::engine::telemetry::Transition;
use crate::error::{Error, ErrorKind};
use crate::store::{
    RunningCall, State, Transaction, TransactionContext, TransactionReserveOutcome,
};

type AcquiredInTransaction = Acquired<TransactionReservation, Infallible>;

/// Decides, in the caller's transaction, whether the call runs its body.
pub(crate) async fn acquire_in_transaction(
    request: Box<Request>,
    engine: Idempotency,
    tx: &mut dyn Transaction,
) -> Result<AcquiredInTransaction, Error> {
    let mut prepared = request.prepare(engine)?;
    prepared.enter_transaction();
    let refusal = prepared.refusal.take();
    let store = prepared.engine.store();
    let Some(tables) = store.tables() else {
        let store = without_modules(prepared.engine.settings().store_type);
        return Err(Error::of(ErrorKind::Misconfigured, &prepared.id).detail(format!(
            "the engine's store is a `{store}`, which does not keep its records in the database of a transaction: use a \
             `PostgresStore` (feature `postgres`) or a `SqliteStore` (feature `sqlite`) of that database"
        )));
    };
    if let Some(entry) = store.local().and_then(|local| local.completed(&prepared.id)) {
        return prepared.check_local(entry).map(Acquired::Replay);
    }
    if let Some(refusal) = refusal {
        return look(&prepared, refusal).await;
    }
    let caller = current();
    // It can never rightly win, and some transactions have nothing in the database yet that would refuse it.
    if caller.as_ref().is_some_and(|caller| caller.is_or_is_within_record(&prepared.id)) {
        prepared.leave();
        return Err(prepared.own_call());
    }
    let depth = caller.map_or(0, |call| call.depth()).saturating_add(1);
    let running = RunningCall::default();
    let context = TransactionContext::new(tables, depth).running(&running);
    let request = prepared.reserve();
    let wait = prepared.operation().wait.filter(|wait| !wait.is_zero());
    let engine = &prepared.engine;
    let limit = engine.settings().store_timeout.saturating_add(wait.unwrap_or_default());
    let call = tx.reserve(&context, &request, wait);
    match engine.0.call_for(Transition::Reserve, limit, call).await {
        Ok(TransactionReserveOutcome::Won(isolation)) => {
            let reservation = request.record().clone();
            let Prepared { engine, id, ttl, .. } = prepared;
            let won = TransactionReservation::new(
                engine,
                id,
                reservation,
                ttl,
                isolation,
                depth,
                running,
            );
            Ok(Acquired::Won(won))
        }
        Ok(TransactionReserveOutcome::Taken(entry)) => match prepared.check(entry)? {
            Found::Completed(completed) => Ok(Acquired::Replay(completed)),
            Found::InProgress { remaining, .. } => Err(prepared.in_progress(remaining)),
        },
        Ok(TransactionReserveOutcome::Contended) => Err(prepared.in_progress(None)),
        Err(error) => Err(transaction_error(&prepared.id, error)),
    }
}

/// `a::NearCache<b::RedisStore>` as `NearCache<RedisStore>`.
fn without_modules(path: &str) -> String {
    let mut short = String::new();
    for word in path.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_' && c != ':') {
        short.push_str(word.rsplit("::").next().unwrap_or(word));
    }
    short
}

/// What a call gets whose scope has used up its share: a result that is there, or the refusal.
async fn look(prepared: &Prepared, refusal: Error) -> Result<AcquiredInTransaction, Error> {
    let engine = &prepared.engine;
    let call = engine.store().load(&prepared.id);
    match engine.0.call(Transition::Look, prepared.lease, call).await {
        Ok(Some(entry)) if entry.state == State::Completed => {
            prepared.check_local(entry).map(Acquired::Replay)
        }
        Ok(_) | Err(_) => Err(refusal),
    }
}
