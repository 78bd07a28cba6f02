//! What can be wrong with completing.

use std::time::Duration;

use idempotent_core::model::{Outcome, Record};
use idempotent_core::store::{Complete, CompleteOutcome, Entry, IfVacant, State};
use tokio::task::yield_now;

use super::{BrokenStore, Flaw};

impl BrokenStore {
    pub(super) async fn complete_wrongly(&self, request: &Complete<'_>) -> Option<CompleteOutcome> {
        let Some(entry) = self.found(request.id).filter(|entry| entry.state != State::Lapsed)
        else {
            return self.complete_vacant_wrongly(request).await;
        };
        let own = entry.record.token() == request.reservation.token();
        match (self.flaw, entry.state) {
            (Flaw::CompleteOverwritesASuccessor, State::Reserved)
            | (Flaw::CompleteOverwritesAnothersResult, State::Completed)
                if !own =>
            {
                self.record(request, request.record, request.ttl)
            }
            (Flaw::CompleteOverwritesItself, State::Completed) if own => {
                self.record(request, request.record, request.ttl)
            }
            (Flaw::CompleteRefusesWhoeverAsks, _) if request.if_vacant == IfVacant::Refuse => {
                Some(CompleteOutcome::Gone)
            }
            (Flaw::CompleteRefusesTheLateOwner, State::Indeterminate) => {
                Some(CompleteOutcome::Superseded(entry))
            }
            (_, State::Reserved) if own => self.complete_own_wrongly(request, &entry).await,
            _ => None,
        }
    }

    async fn complete_vacant_wrongly(&self, request: &Complete<'_>) -> Option<CompleteOutcome> {
        match (self.flaw, request.if_vacant) {
            (Flaw::CompleteNeverRefuses, IfVacant::Refuse) => {
                self.record(request, request.record, request.ttl)
            }
            (Flaw::CompleteRefusesVacantIds, IfVacant::Record) => Some(CompleteOutcome::Gone),
            (Flaw::ScopeUseMissesLateResults, IfVacant::Record) => {
                let id = request.id.clone().counted_for(None);
                self.put(&id, request.record, request.ttl);
                Some(CompleteOutcome::Recorded)
            }
            (Flaw::CompleteReadsThenWrites, IfVacant::Record) => {
                yield_now().await;
                self.record(request, request.record, request.ttl)
            }
            _ => None,
        }
    }

    async fn complete_own_wrongly(
        &self,
        request: &Complete<'_>,
        entry: &Entry,
    ) -> Option<CompleteOutcome> {
        let payload = match request.record.outcome() {
            Outcome::Kept(payload) => Some(payload),
            _ => None,
        };
        let kept = |payload: &[u8]| {
            let record = request.reservation.completed(payload);
            self.record(request, &record, request.ttl)
        };
        match self.flaw {
            Flaw::CompleteKeepsTheLeasesEnd => {
                self.record(request, request.record, entry.remaining?)
            }
            Flaw::CompleteWrapsEndlessTtls if request.ttl == Duration::MAX => {
                self.record(request, request.record, Duration::ZERO)
            }
            Flaw::CompleteDropsEmptyResults if payload == Some(b"") => {
                self.remove(request.id);
                Some(CompleteOutcome::Recorded)
            }
            Flaw::CompleteTruncatesResults => kept(payload?.get(..1 << 16)?),
            Flaw::CompleteEndsResultsAtANul => {
                let end = payload?.iter().position(|byte| *byte == 0)?;
                kept(&payload?[..end])
            }
            Flaw::CompleteRefusesTombstones if payload.is_none() => Some(CompleteOutcome::Gone),
            Flaw::CompleteWritesInTwoSteps => {
                kept(b"");
                yield_now().await;
                self.record(request, request.record, request.ttl)
            }
            _ => None,
        }
    }

    fn record(
        &self,
        request: &Complete<'_>,
        record: &Record,
        ttl: Duration,
    ) -> Option<CompleteOutcome> {
        self.put(request.id, record, ttl);
        Some(CompleteOutcome::Recorded)
    }
}
