//! Which calls of the reference store are due: whatever a look at all slots finds.

use std::time::Duration;

use idempotent_core::model::RecordId;
use idempotent_core::store::{Clock as _, Due, DueCall, DueCalls, State, StoreError};

use super::reference_store::ReferenceStore;

#[async_trait::async_trait]
impl DueCalls for ReferenceStore {
    async fn due(&self, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
        let now = self.clock.now();
        let mut calls: Vec<DueCall> = self
            .slots()
            .iter()
            .filter(|(id, _)| request.operations.contains(&id.operation()))
            .filter(|(id, _)| !request.without.contains(id.hash()))
            .filter_map(|(id, slot)| {
                let overdue = now.checked_sub(slot.due?)?;
                Some(DueCall::new(id.clone(), slot.entry(now)?, overdue))
            })
            .filter(|call| call.entry.state == State::Suspended)
            .collect();
        calls.sort_by_key(|call| std::cmp::Reverse(call.overdue));
        calls.truncate(request.limit);
        Ok(calls)
    }

    async fn due_in(&self, id: &RecordId) -> Result<Option<Duration>, StoreError> {
        let due = self.slots().get(id).and_then(|slot| slot.due);
        Ok(due.map(|due| due.saturating_sub(self.clock.now())))
    }
}
