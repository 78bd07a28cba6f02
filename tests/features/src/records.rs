//! [`Records`]: a store that only keeps completed records, and writes them as text.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use idempotent_core::Store;
use idempotent_core::model::{Record, RecordId};
use idempotent_core::store::{
    Complete, CompleteOutcome, Entry, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome,
    Scan, State, StoreError,
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Records(Arc<Mutex<BTreeMap<String, Record>>>);

impl Records {
    /// A line for each record: its id, and its bytes.
    pub(crate) fn lines(&self) -> String {
        let hex = |record: &Record| {
            record.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        self.lock().iter().map(|(id, record)| format!("record {id} {}\n", hex(record))).collect()
    }

    /// Reads the lines that are records.
    pub(crate) fn parse(text: &str) -> Result<Self, Box<dyn Error>> {
        let records = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix("record ")) {
            let (id, hex) = line.split_once(' ').ok_or("a record without bytes")?;
            let bytes: Result<Vec<u8>, _> = (0..hex.len() / 2)
                .map(|at| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16))
                .collect();
            records.lock().insert(id.to_owned(), Record::from_bytes(&bytes?)?);
        }
        Ok(records)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, id: &RecordId) -> Option<Entry> {
        let record = self.lock().get(&id.to_string()).cloned()?;
        Some(Entry::new(record, State::Completed, None))
    }
}

#[async_trait]
impl Store for Records {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        Ok(self.entry(request.id).map_or(ReserveOutcome::Won, ReserveOutcome::Taken))
    }

    async fn renew(&self, _: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        Ok(RenewOutcome::Renewed)
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        self.lock().insert(request.id.to_string(), request.record.clone());
        Ok(CompleteOutcome::Recorded)
    }

    async fn release(&self, _: &Release<'_>) -> Result<(), StoreError> {
        Ok(())
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        Ok(self.entry(id))
    }

    async fn scan(&self, _: &Scan) -> Result<Page, StoreError> {
        Ok(Page::new(Vec::new(), None))
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        Ok(self.lock().remove(&id.to_string()).is_some())
    }
}
