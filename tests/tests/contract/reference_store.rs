//! A store as a third party would write it in an afternoon: one map behind one lock, and the
//! default, polling `wait`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use idempotent_core::Guarantee;
use idempotent_core::model::{Outcome, Record, RecordId, ScopeId};
use idempotent_core::store::{
    Abandon, Clock, Complete, CompleteOutcome, Correct, CorrectOutcome, Cursor, DueCalls, Entry,
    IfVacant, Journal, Page, Release, Renew, RenewOutcome, Reserve, ReserveOutcome, Scan, ScopeUse,
    State, Store, StoreError, StoreErrorKind, Unreadable,
};
use idempotent_core::testing::ManualClock;
use idempotent_core::testing::contract::Subject;

use super::reference_journal::Journals;

#[derive(Clone, Default)]
pub(crate) struct ReferenceStore {
    pub(crate) clock: ManualClock,
    slots: Arc<Mutex<HashMap<RecordId, Slot>>>,
    pub(super) journals: Arc<Mutex<Journals>>,
    /// How many ids may be taken; `None` is any number.
    room: Option<usize>,
}

/// What is kept under an id, which need not stand there any more.
#[derive(Clone)]
pub(crate) struct Slot {
    pub(crate) record: Record,
    /// When the lease lapses or the ttl ends.
    pub(crate) until: Duration,
    /// When it is to be resumed without its caller.
    pub(crate) due: Option<Duration>,
    /// Somebody else wrote over it.
    pub(crate) is_garbled: bool,
}

impl Slot {
    /// What stands there now, if anything does.
    pub(crate) fn entry(&self, now: Duration) -> Option<Entry> {
        let reserved = self.record.outcome() == Outcome::Reserved;
        let (state, end) = match (reserved, self.record.guarantee()) {
            (false, _) => (State::Completed, self.until),
            (true, _) if now < self.until => (State::Reserved, self.until),
            (true, _) if self.record.suspends() => {
                let end = self.until.saturating_add(self.record.retention());
                (State::Suspended, end)
            }
            (true, Guarantee::AtMostOnce) => {
                let end = self.until.saturating_add(self.record.retention());
                (State::Indeterminate, end)
            }
            (true, _) => {
                return Some(Entry::new(self.record.clone(), State::Lapsed, None));
            }
        };
        (now < end).then(|| Entry::new(self.record.clone(), state, Some(end - now)))
    }
}

impl ReferenceStore {
    /// An empty store on the same clock, with room for so many.
    pub(crate) fn with_room(&self, reservations: usize) -> Self {
        Self { room: Some(reservations), ..self.elsewhere() }
    }

    /// An empty store on the same clock.
    pub(crate) fn elsewhere(&self) -> Self {
        Self { slots: Arc::default(), journals: Arc::default(), ..self.clone() }
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    pub(crate) fn garble(&self, id: &RecordId) {
        let mut slots = self.slots();
        slots.get_mut(id).expect("it is there").is_garbled = true;
    }

    fn garbled(&self, request: &Scan) -> Vec<Unreadable> {
        let slots = self.slots();
        let ids = slots.iter().filter(|(_, slot)| slot.is_garbled).map(|(id, _)| id);
        let ids = ids.filter(|id| {
            request.operation.as_deref().is_none_or(|operation| operation == id.operation())
        });
        ids.map(|id| Unreadable::new(Some(id.clone()), id.to_string(), "it is garbled")).collect()
    }

    pub(crate) fn slots(&self) -> MutexGuard<'_, HashMap<RecordId, Slot>> {
        self.slots.lock().expect("no method panics")
    }

    pub(crate) fn slot(&self, record: &Record, holds: Duration) -> Slot {
        let until = self.clock.now().saturating_add(holds);
        let due = record.has_input().then_some(until);
        Slot { record: record.clone(), until, due, is_garbled: false }
    }
}

#[async_trait::async_trait]
impl Store for ReferenceStore {
    async fn reserve(&self, request: &Reserve<'_>) -> Result<ReserveOutcome, StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        match slots.get(request.id).and_then(|slot| slot.entry(now)) {
            Some(entry) if is_reserved_by(&entry, request.record()) => {
                return Ok(ReserveOutcome::Won);
            }
            Some(entry) if entry.state != State::Lapsed => return Ok(ReserveOutcome::Taken(entry)),
            _ => {}
        }
        let is_taken = |slot: &&Slot| slot.entry(now).is_some_and(|e| e.state != State::Lapsed);
        if self.room.is_some_and(|room| slots.values().filter(is_taken).count() >= room) {
            return Err(StoreError::new(StoreErrorKind::Full, "the map is full"));
        }
        let slot = self.slot(request.record(), request.lease());
        if let Some(old) = slots.insert(request.id.clone(), slot) {
            self.drop_journal(&old.record);
        }
        Ok(ReserveOutcome::Won)
    }

    async fn renew(&self, request: &Renew<'_>) -> Result<RenewOutcome, StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        match slots.get_mut(request.id) {
            Some(slot)
                if slot
                    .entry(now)
                    .is_some_and(|entry| is_reserved_by(&entry, request.reservation)) =>
            {
                slot.until = now.saturating_add(request.lease);
                Ok(RenewOutcome::Renewed)
            }
            _ => Ok(RenewOutcome::Lost),
        }
    }

    async fn complete(&self, request: &Complete<'_>) -> Result<CompleteOutcome, StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        match slots.get(request.id).and_then(|slot| slot.entry(now)) {
            Some(entry)
                if entry.state != State::Lapsed
                    && entry.record.token() != request.reservation.token() =>
            {
                return Ok(CompleteOutcome::Superseded(entry));
            }
            Some(entry) if entry.state == State::Completed => return Ok(CompleteOutcome::Recorded),
            Some(entry) if entry.state != State::Lapsed => {}
            _ if request.if_vacant == IfVacant::Refuse => return Ok(CompleteOutcome::Gone),
            _ => {}
        }
        let slot = self.slot(request.record, request.ttl);
        if let Some(old) = slots.insert(request.id.clone(), slot) {
            self.drop_journal(&old.record);
        }
        Ok(CompleteOutcome::Recorded)
    }

    async fn release(&self, request: &Release<'_>) -> Result<(), StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        let entry = slots.get(request.id).and_then(|slot| slot.entry(now));
        let goes = entry.filter(|entry| !entry.record.has_progress()).is_some_and(|entry| {
            let doubted = entry.state == State::Indeterminate
                && entry.record.token() == request.reservation.token();
            is_reserved_by(&entry, request.reservation) || (request.indeterminate && doubted)
        });
        if goes {
            slots.remove(request.id);
        }
        Ok(())
    }

    async fn abandon(&self, request: &Abandon<'_>) -> Result<(), StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        let own = slots.get_mut(request.id).filter(|slot| {
            slot.record.outcome() == Outcome::Reserved
                && slot.record.token() == request.reservation.token()
                && !slot.record.has_journal()
        });
        if let Some(slot) = own {
            slot.record = request.record.clone();
            if request.ends_lease() {
                slot.until = slot.until.min(now);
            }
        }
        Ok(())
    }

    fn journal(&self) -> Option<&dyn Journal> {
        Some(self)
    }

    fn due_calls(&self) -> Option<&dyn DueCalls> {
        Some(self)
    }

    async fn load(&self, id: &RecordId) -> Result<Option<Entry>, StoreError> {
        let now = self.clock.now();
        match self.slots().get(id) {
            Some(slot) if slot.is_garbled => {
                Err(StoreError::new(StoreErrorKind::Malformed, "the slot is garbled"))
            }
            slot => Ok(slot.and_then(|slot| slot.entry(now))),
        }
    }

    async fn purge(&self, id: &RecordId) -> Result<bool, StoreError> {
        let now = self.clock.now();
        let removed = self.slots().remove(id);
        if let Some(slot) = &removed {
            self.drop_journal(&slot.record);
        }
        Ok(removed.is_some_and(|slot| slot.is_garbled || slot.entry(now).is_some()))
    }

    async fn correct(&self, request: &Correct<'_>) -> Result<CorrectOutcome, StoreError> {
        let (mut slots, now) = (self.slots(), self.clock.now());
        match slots.get(request.id).and_then(|slot| slot.entry(now)) {
            Some(entry)
                if entry.state == State::Completed
                    && [request.seen, request.record].contains(&&entry.record) =>
            {
                slots.insert(request.id.clone(), self.slot(request.record, request.ttl));
                Ok(CorrectOutcome::Corrected)
            }
            _ => Ok(CorrectOutcome::Changed),
        }
    }

    /// A page is the records that follow the cursor's id, in the order of ids.
    async fn scan(&self, request: &Scan) -> Result<Page, StoreError> {
        let now = self.clock.now();
        let mut entries: Vec<(RecordId, Entry)> = self
            .slots()
            .iter()
            .filter(|(_, slot)| !slot.is_garbled)
            .filter_map(|(id, slot)| Some((id.clone(), slot.entry(now)?)))
            .filter(|(_, entry)| request.wants(entry.state, &entry.record))
            .filter(|(id, _)| {
                let cursor = request.cursor.as_ref();
                cursor.is_none_or(|Cursor(last)| id.to_string() > *last)
            })
            .collect();
        entries.sort_by_cached_key(|(id, _)| id.to_string());
        let rest = entries.len() > request.limit;
        entries.truncate(request.limit);
        let last = entries.last().map(|(id, _)| Cursor(id.to_string()));
        let page = Page::new(entries, last.filter(|_| rest));
        Ok(if page.next.is_none() { page.with_unreadable(self.garbled(request)) } else { page })
    }

    async fn scope_use(
        &self,
        scope: &ScopeId,
        _up_to: u64,
    ) -> Result<Option<ScopeUse>, StoreError> {
        let (slots, now) = (self.slots(), self.clock.now());
        let own = slots.iter().filter(|(id, _)| id.scope() == Some(scope));
        let entries = own.filter_map(|(_, slot)| slot.entry(now));
        Ok(Some(count(entries.filter(|entry| entry.state != State::Lapsed))))
    }
}

/// What these entries amount to.
pub(crate) fn count(entries: impl Iterator<Item = Entry>) -> ScopeUse {
    let mut found = ScopeUse::default();
    for entry in entries {
        found.records += 1;
        found.bytes += entry.record.as_bytes().len() as u64;
        found.indeterminate += u64::from(entry.state == State::Indeterminate);
    }
    found
}

fn is_reserved_by(entry: &Entry, reservation: &Record) -> bool {
    entry.state == State::Reserved && entry.record.token() == reservation.token()
}

/// The reference store, on a clock that the cases step.
#[derive(Default)]
struct Reference(ReferenceStore);

#[async_trait::async_trait]
impl Subject for Reference {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn advance(&self, by: Duration) {
        self.0.advance(by);
    }

    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        Some(Arc::new(self.0.with_room(reservations)))
    }

    async fn garble(&self, id: &RecordId) -> bool {
        self.0.garble(id);
        true
    }
}

idempotent_core::testing::contract_tests! { Reference::default() }
