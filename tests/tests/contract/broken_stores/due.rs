//! What can be wrong with calls that are due.

use std::time::Duration;

use idempotent_core::model::RecordId;
use idempotent_core::store::{Clock as _, Due, DueCall, DueCalls, State, StoreError};

use super::{BrokenStore, Flaw};

impl BrokenStore {
    /// The flaws that are about calls that are due. A store with another one keeps no index.
    pub(super) const fn keeps_due_times(&self) -> bool {
        self.flaw as usize >= Flaw::ReserveWinsOverAnInput as usize
    }

    /// Those whose time has come, whatever their state is.
    fn running_ones(&self, request: &Due<'_>) -> Vec<DueCall> {
        let (slots, now) = (self.store.slots(), self.store.clock.now());
        let of = slots.iter().filter(|(id, _)| request.operations.contains(&id.operation()));
        of.filter_map(|(id, slot)| {
            let overdue = now.checked_sub(slot.due?)?;
            let entry = slot.entry(now).filter(|entry| entry.state == State::Reserved)?;
            Some(DueCall::new(id.clone(), entry, overdue))
        })
        .collect()
    }
}

#[async_trait::async_trait]
impl DueCalls for BrokenStore {
    async fn due(&self, request: &Due<'_>) -> Result<Vec<DueCall>, StoreError> {
        let mut asked = *request;
        match self.flaw {
            Flaw::DueTellsOfNothing => Ok(Vec::new()),
            Flaw::DueTellsOfRunningCalls => {
                let mut due = self.store.due(request).await?;
                due.extend(self.running_ones(request));
                Ok(due)
            }
            Flaw::DueIgnoresTheOperations => {
                let names: Vec<String> =
                    self.store.slots().keys().map(|id| id.operation().to_owned()).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                asked.operations = &names;
                self.store.due(&asked).await
            }
            Flaw::DueIgnoresTheOrder => {
                let mut due = self.store.due(request).await?;
                due.reverse();
                Ok(due)
            }
            Flaw::DueIgnoresTheLimit => {
                asked.limit = usize::MAX;
                self.store.due(&asked).await
            }
            Flaw::DueLeavesOutTooLate => {
                asked.without = &[];
                let mut due = self.store.due(&asked).await?;
                due.retain(|call| !request.without.contains(call.id.hash()));
                Ok(due)
            }
            _ => self.store.due(request).await,
        }
    }

    fn parts(&self) -> u32 {
        if self.flaw == Flaw::DueIgnoresTheParts { 2 } else { self.store.parts() }
    }

    async fn due_in(&self, id: &RecordId) -> Result<Option<Duration>, StoreError> {
        self.store.due_in(id).await
    }
}
