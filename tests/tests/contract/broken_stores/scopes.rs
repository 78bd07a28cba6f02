//! What can be wrong with counting what a scope keeps.

use idempotent_core::model::ScopeId;
use idempotent_core::store::{Clock as _, Entry, ScopeUse, State};

use super::super::reference_store::count;
use super::{BrokenStore, Flaw};

impl BrokenStore {
    pub(super) fn count_wrongly(&self, scope: &ScopeId, found: ScopeUse) -> ScopeUse {
        let (slots, now) = (self.store.slots(), self.store.clock.now());
        match self.flaw {
            Flaw::ScopeUseCountsEveryScope => {
                let scoped = slots.iter().filter(|(id, _)| id.scope().is_some());
                let others = scoped.filter(|(id, _)| id.scope() != Some(scope));
                let others = count(others.filter_map(|(_, slot)| slot.entry(now)));
                ScopeUse { records: found.records + others.records, ..found }
            }
            Flaw::ScopeUseCountsWhatHasExpired => {
                let own = slots.iter().filter(|(id, _)| id.scope() == Some(scope));
                let all =
                    own.map(|(_, slot)| Entry::new(slot.record.clone(), State::Completed, None));
                ScopeUse { indeterminate: found.indeterminate, ..count(all) }
            }
            Flaw::ScopeUseTellsNoBytes => ScopeUse { bytes: 0, ..found },
            Flaw::ScopeUseForgetsTheIndeterminate => ScopeUse { indeterminate: 0, ..found },
            _ => found,
        }
    }
}
