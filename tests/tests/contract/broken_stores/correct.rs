//! What can be wrong with correcting a completed record.

use idempotent_core::store::{Correct, CorrectOutcome, Entry, State};

use super::{BrokenStore, Flaw};

impl BrokenStore {
    pub(super) fn correct_wrongly(&self, request: &Correct<'_>) -> Option<CorrectOutcome> {
        let found = self.found(request.id);
        let write = || {
            self.put(request.id, request.record, request.ttl);
            Some(CorrectOutcome::Corrected)
        };
        match (self.flaw, &found) {
            (Flaw::CorrectDoesNothing, Some(entry)) if entry.record == *request.seen => {
                Some(CorrectOutcome::Corrected)
            }
            (Flaw::CorrectGoesByTheToken, Some(Entry { state: State::Completed, record, .. }))
                if record.token() == request.seen.token() =>
            {
                write()
            }
            (Flaw::CorrectRefusesItself, Some(entry)) if entry.record == *request.record => {
                Some(CorrectOutcome::Changed)
            }
            (Flaw::CorrectKeepsTheEnd, Some(entry))
                if entry.state == State::Completed && entry.record == *request.seen =>
            {
                self.change(request.id, |slot| slot.record = request.record.clone());
                Some(CorrectOutcome::Corrected)
            }
            (Flaw::CorrectTouchesReservations, Some(entry)) if entry.record == *request.seen => {
                write()
            }
            (Flaw::CorrectWritesWhereNothingStands, None) => write(),
            _ => None,
        }
    }
}
