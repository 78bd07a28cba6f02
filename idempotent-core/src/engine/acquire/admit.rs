//! Whether a call may run: its seat in this process, and its scope's share of the store.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::prepare::Prepared;
use crate::engine::idempotency::Idempotency;
use crate::engine::limits::{Charge, Limiter, ScopeShare, Seat, WaiterSeat, refusal};
use crate::engine::telemetry::{Telemetry, Transition};
use crate::error::{Error, ErrorKind};
use crate::model::ScopeId;

/// When a scope that has used up its share should try again: what it keeps ends with its ttl.
const LATER: Duration = Duration::from_secs(5);

impl Prepared {
    fn limiter(&self) -> Option<&Arc<Limiter>> {
        self.request().limiter.as_ref().or(self.engine.0.limiter.as_ref())
    }

    /// Takes a seat, and charges the scope. If the call is not the one that runs, it gives both
    /// [back](Self::leave).
    ///
    /// A call that may not run may still wait for another one, or get its result, so its
    /// [refusal](Prepared::refusal) waits until somebody has looked. Meanwhile it is counted as waiting.
    pub(super) fn enter(&mut self) -> Result<(), Error> {
        let Some(limiter) = self.limiter().cloned() else { return Ok(()) };
        self.count_for_scope(&limiter);
        match Seat::take(&limiter, &self.id, self.request().detaches) {
            Ok(seat) => {
                self.seat = seat;
                self.charge(limiter.limits().share);
            }
            Err(refusal) => match WaiterSeat::take(&limiter, &self.id) {
                Ok(seat) => (self.waiter_seat, self.refusal) = (Some(seat), Some(refusal)),
                Err(_) => return Err(refusal),
            },
        }
        Ok(())
    }

    /// The same for a call that is counted as waiting already.
    pub(super) fn enter_again(&mut self) {
        let Some(limiter) = self.limiter().cloned() else { return };
        match Seat::take(&limiter, &self.id, self.request().detaches) {
            Ok(seat) => {
                self.seat = seat;
                self.charge(limiter.limits().share);
            }
            Err(refusal) => self.refusal = Some(refusal),
        }
    }

    /// Charges the scope of a call in its caller's transaction, which needs no seat.
    pub(super) fn enter_transaction(&mut self) {
        let Some(limiter) = self.limiter().cloned() else { return };
        self.count_for_scope(&limiter);
        self.charge(limiter.limits().share);
    }

    /// Gives back what only a call needs that runs.
    pub(super) fn leave(&mut self) {
        self.seat = Seat::default();
        if let (true, Some(scope)) = (self.is_charged, self.id.scope()) {
            self.engine.0.shares.refund(scope);
            self.is_charged = false;
        }
    }

    /// A seat to wait in, if their number is limited.
    pub(super) fn wait(&mut self) -> Result<Option<WaiterSeat>, Error> {
        if let Some(seat) = self.waiter_seat.take() {
            return Ok(Some(seat));
        }
        self.limiter().map(|limiter| WaiterSeat::take(limiter, &self.id)).transpose()
    }

    /// Says which scope the record counts for, if there are limits by scope. A call that is replayed from
    /// memory counts for none, and need not know.
    fn count_for_scope(&mut self, limiter: &Limiter) {
        if limiter.limits().count_scopes() {
            let secret = self.engine.settings().secret.as_ref();
            let scope = self.scope().map(|scope| ScopeId::from_parts(scope, secret));
            self.id.count_for(scope);
        }
    }

    fn charge(&mut self, share: Option<ScopeShare>) {
        let (Some(share), Some(scope)) = (share, self.id.scope().copied()) else { return };
        let store = self.engine.store();
        let max_records = share.records(store.max_records());
        let charge = Charge {
            scope,
            share,
            max_records,
            guarantee: self.operation().guarantee,
            ttl: self.ttl,
            retention: self.engine.settings().retention,
        };
        let local = store.local().and_then(|local| local.try_scope_use(&scope, max_records));
        let refused = match local {
            Some(found) => refusal(found, &charge),
            None => {
                let charged = self.engine.0.shares.charge(&charge, Instant::now());
                if charged.ask {
                    tokio::spawn(ask_store(self.engine.clone(), scope, max_records));
                }
                self.is_charged = charged.refused.is_none();
                charged.refused
            }
        };
        self.refusal = refused
            .map(|why| Error::of(ErrorKind::ScopeFull, &self.id).detail(why).retry_in(Some(LATER)));
    }
}

/// Asks the store how much a scope keeps.
async fn ask_store(engine: Idempotency, scope: ScopeId, up_to: u64) {
    let start = Instant::now();
    let call = engine.store().scope_use(&scope, up_to);
    let answer = engine.0.call(Transition::Count, Duration::MAX, call).await;
    if let Err(error) = &answer {
        Telemetry::not_counted(error);
    }
    let took = start.elapsed();
    engine.0.shares.answered(&scope, answer.map_err(drop), took, Instant::now());
}
