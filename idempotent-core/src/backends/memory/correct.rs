//! Correcting a completed record.

use super::crate_items::{Complete, Correct, CorrectOutcome, State};
use super::moment::Moment;
use super::records::{CompletedMap, Records};

impl<C: CompletedMap> Records<C> {
    pub(super) fn correct(&self, request: &Correct<'_>, now: Moment) -> CorrectOutcome {
        let mut locked = self.unfinished.lock(request.id.hash());
        let Correct { id, seen, record, ttl, .. } = *request;
        match self.entry(&locked, now) {
            Some(entry)
                if entry.state == State::Completed
                    && (entry.record == *seen || entry.record == *record) =>
            {
                // Whoever looks meanwhile, without the lock, finds nothing and looks again with it.
                self.completed.remove(locked.id());
                self.write_completed(&mut locked, &Complete::new(id, seen, record, ttl), now);
                CorrectOutcome::Corrected
            }
            _ => CorrectOutcome::Changed,
        }
    }
}
