//! Marking a reservation whose owner no longer works on it.

use super::crate_items::Abandon;
use super::moment::Moment;
use super::records::{CompletedMap, Records};

impl<C: CompletedMap> Records<C> {
    pub(super) fn abandon(&self, request: &Abandon<'_>, now: Moment) {
        let mut locked = self.unfinished.lock(request.id.hash());
        let token = request.reservation.token();
        let is_own = locked.slot().is_some_and(|slot| {
            slot.record.token() == token
                && slot.record.is_reservation()
                && !slot.outlived_retention(now)
        });
        if is_own {
            let journal = locked.slot().and_then(|slot| slot.record.journal());
            let record = match journal {
                // Its owner does not know of the journal.
                Some(journal) if !request.record.has_journal() => {
                    let retention = locked.slot().map(|slot| slot.record.retention());
                    request.record.with_journal(journal, retention.unwrap_or_default())
                }
                _ => request.record.clone(),
            };
            locked.abandon(record, request.ends_lease(), now);
        }
    }
}
