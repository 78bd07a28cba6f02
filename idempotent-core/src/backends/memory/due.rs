//! Finding the calls that are due.

use std::collections::HashSet;
use std::time::Duration;

use super::moment::Moment;
use super::records::{CompletedMap, Records};
use super::slot::Slot;
use crate::model::RecordId;
use crate::store::{Due, DueCall, State};

/// How many are looked at under one lock.
const PAGE: usize = 256;

impl<C: CompletedMap> Records<C> {
    pub(super) fn due(&self, request: &Due<'_>, now: Moment) -> Vec<DueCall> {
        let (mut found, mut after) = (Vec::new(), None);
        let without: HashSet<&[u8; 32]> = request.without.iter().collect();
        loop {
            let page = self.unfinished.due().first(after, now, PAGE);
            after = page.last().copied();
            for (due, id) in &page {
                if without.contains(id) {
                    continue;
                }
                let locked = self.unfinished.lock(id);
                let slot = locked.slot().filter(|slot| slot.due() == Some(*due));
                let Some(slot) = slot else { continue };
                // A call that runs longer than its lease is none, and may become one.
                let entry = slot.entry(now).filter(|entry| entry.state == State::Suspended);
                let Some(entry) = entry else { continue };
                let operation = entry.record.operation().to_owned();
                if !request.operations.contains(&&*operation) {
                    continue;
                }
                if let Ok(id) = RecordId::from_hash(operation, *id) {
                    found.push(DueCall::new(id, entry, due.until(now)));
                }
                if found.len() >= request.limit {
                    return found;
                }
            }
            if page.len() < PAGE {
                return found;
            }
        }
    }

    pub(super) fn due_in(&self, id: &RecordId, now: Moment) -> Option<Duration> {
        let locked = self.unfinished.lock(id.hash());
        let slot = locked.slot().filter(|slot| slot.is_reservation() && !slot.is_vacant(now));
        slot.and_then(Slot::due).map(|due| now.until(due))
    }
}
