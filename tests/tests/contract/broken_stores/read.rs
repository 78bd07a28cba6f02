//! What can be wrong with waiting, loading and scanning.

use std::time::Duration;

use idempotent_core::model::{Outcome, RecordId};
use idempotent_core::store::{Cursor, Entry, Page, Scan, State, Store, StoreError, Wait};

use super::{BrokenStore, Flaw};

impl BrokenStore {
    pub(super) async fn wait_wrongly(&self, request: &Wait<'_>) -> Option<()> {
        let mut request = *request;
        match self.flaw {
            Flaw::WaitNeverWakes => {
                let timeout = request.timeout.min(Duration::from_secs(3600));
                tokio::time::sleep(timeout).await;
                return Some(());
            }
            Flaw::WaitIgnoresItsTimeout => request.timeout = Duration::MAX,
            Flaw::WaitIgnoresTheToken => request.token = self.found(request.id)?.record.token(),
            _ => return None,
        }
        self.store.wait(&request).await.ok()
    }

    pub(super) fn completed_wrongly(&self, id: &RecordId) -> Option<Entry> {
        match self.flaw {
            Flaw::LocalShowsRunningCalls => self.found(id),
            Flaw::LocalOutlivesTheTtl => {
                let slots = self.store.slots();
                let record = slots.get(id).map(|slot| slot.record.clone());
                let record = record.filter(|record| record.outcome() != Outcome::Reserved)?;
                Some(Entry::new(record, State::Completed, None))
            }
            _ => None,
        }
    }

    pub(super) fn load_wrongly(&self, id: &RecordId, mut entry: Entry) -> Option<Entry> {
        let lease = entry.record.lease();
        match (self.flaw, entry.state) {
            (Flaw::LoadForgetsTheLapsed, State::Lapsed) => return None,
            (Flaw::LoadExtends, State::Reserved) => self.put(id, &entry.record, lease),
            (Flaw::LoadTellsTheWholeLease, _) => entry.remaining = Some(lease),
            _ => {}
        }
        Some(entry)
    }

    pub(super) async fn scan_wrongly(&self, mut request: Scan) -> Result<Page, StoreError> {
        let asked = request.clone();
        match self.flaw {
            Flaw::ScanIgnoresTheOperation | Flaw::ScanMatchesPrefixes => request.operation = None,
            Flaw::ScanIgnoresTheStates => request.states.clear(),
            Flaw::ScanNeedsAnOperation if request.operation.is_none() => {
                return Ok(Page::new(Vec::new(), None));
            }
            Flaw::ScanCountsWhatItHasShown => return self.scan_by_offset(request).await,
            _ => {}
        }
        let mut page = self.store.scan(&request).await?;
        match self.flaw {
            Flaw::ScanMatchesPrefixes => {
                let prefix = asked.operation.unwrap_or_default();
                page.entries.retain(|(id, _)| id.operation().starts_with(&prefix));
            }
            Flaw::ScanLosesTheLastPage if asked.cursor.is_some() && page.next.is_none() => {
                page.entries.clear();
            }
            Flaw::ScanSkipsTheUnreadable => page.unreadable.clear(),
            Flaw::ScanTellsOneState => {
                for (_, entry) in &mut page.entries {
                    entry.state = State::Reserved;
                }
            }
            _ => {}
        }
        Ok(page)
    }

    /// A page that starts so many records from the first, however many have gone since.
    async fn scan_by_offset(&self, mut request: Scan) -> Result<Page, StoreError> {
        let shown = request.cursor.take();
        let shown: usize =
            shown.map_or(0, |Cursor(shown)| shown.parse().expect("the cursor is our own"));
        let limit = std::mem::replace(&mut request.limit, usize::MAX);
        let mut page = self.store.scan(&request).await?;
        page.entries.drain(..shown.min(page.entries.len()));
        let rest = page.entries.len() > limit;
        page.entries.truncate(limit);
        page.next = rest.then(|| Cursor((shown + limit).to_string()));
        Ok(page)
    }
}
