//! The journals of calls: their steps are kept beside the reservation, and go with it. Which calls are due is in `due`.

use std::collections::hash_map::Entry as Place;

use super::moment::Moment;
use super::records::{CompletedMap, Records};
use super::slot::{Slot, Steps};
use super::unfinished::LockedId;
use crate::model::{RecordId, StepEntry, StepId, StepStatus, Token};
use crate::store::{
    Replaces, Resume, ResumeOutcome, State, Suspend, WithoutJournal, WriteStep, WriteStepOutcome,
};

impl<C: CompletedMap> Records<C> {
    pub(super) fn write_step(&self, request: &WriteStep<'_>, now: Moment) -> WriteStepOutcome {
        let mut locked = self.unfinished.lock(request.id.hash());
        let journaled = locked.journaled();
        let journaled = journaled.filter(|(slot, _)| slot.is_reservation() && !slot.is_vacant(now));
        let Some((slot, begin)) = journaled else { return WriteStepOutcome::Fenced };
        let is_own = slot.record.token() == request.record.token()
            && (!request.begins || slot.state(now) == Some(State::Reserved));
        if !is_own {
            let is_same = slot.record.journal() == request.record.journal();
            let outcome = settle_late(is_same.then_some(slot), request);
            locked.end_wait_for_steps(now);
            return outcome;
        }
        if !slot.record.has_journal() {
            // What it is to replace stands in no new journal.
            if matches!(request.replaces, Replaces::Entry(_)) {
                return WriteStepOutcome::Conflict;
            }
            begin.mark(slot, request.record.clone());
        }
        let may_settle = slot.record.waits_for_steps();
        let steps = begin.steps(slot);
        for (step, entry) in request.also {
            steps.entry(*step).or_insert_with(|| entry.clone());
        }
        let outcome = match steps.entry(*request.step) {
            Place::Occupied(mut there) => {
                let is_same = there.get() == request.entry;
                let may = match request.replaces {
                    Replaces::Nothing => false,
                    Replaces::Anything => true,
                    Replaces::Entry(seen) => there.get() == seen,
                };
                if may {
                    there.insert(request.entry.clone());
                }
                if may || is_same { WriteStepOutcome::Written } else { WriteStepOutcome::Conflict }
            }
            Place::Vacant(_) if matches!(request.replaces, Replaces::Entry(_)) => {
                WriteStepOutcome::Conflict
            }
            Place::Vacant(place) => {
                place.insert(request.entry.clone());
                WriteStepOutcome::Written
            }
        };
        if may_settle {
            locked.end_wait_for_steps(now);
        }
        outcome
    }

    pub(super) fn load_steps(&self, id: &RecordId, journal: Token) -> Vec<(StepId, StepEntry)> {
        let locked = self.unfinished.lock(id.hash());
        let slot = locked.slot().filter(|slot| slot.record.journal() == Some(journal));
        let kept = slot.and_then(|slot| slot.kept.as_deref());
        kept.and_then(|kept| kept.steps.as_ref())
            .into_iter()
            .flatten()
            .map(|(step, entry)| (*step, entry.clone()))
            .collect()
    }

    pub(super) fn resume(&self, request: &Resume<'_>, now: Moment) -> ResumeOutcome {
        let mut locked = self.unfinished.lock(request.id.hash());
        match self.entry(&locked, now) {
            Some(entry)
                if entry.state == State::Reserved
                    && entry.record.token() == request.record.token() =>
            {
                ResumeOutcome::Won
            }
            Some(entry) if entry.state == State::Suspended && entry.record == *request.seen => {
                locked.resume(request.record.clone(), request.lease, now);
                locked.set_due(Some(now.after(request.due_in)));
                ResumeOutcome::Won
            }
            Some(entry) => ResumeOutcome::Taken(entry),
            None => ResumeOutcome::Gone,
        }
    }

    pub(super) fn suspend(&self, request: &Suspend<'_>, now: Moment) {
        let mut locked = self.unfinished.lock(request.id.hash());
        let Some(slot) = own_reservation(&mut locked, request, now) else { return };
        let due = request.due_in.map(|due_in| now.after(due_in));
        if slot.record.has_journal() {
            // Whoever knows of no journal leaves one alone.
            if !request.suspended.has_journal() {
                return;
            }
            if let Some(steps) = slot.kept.as_mut().and_then(|kept| kept.steps.as_mut()) {
                settle(steps, request.settles);
            }
            locked.abandon(request.suspended.clone(), request.ends_lease(), now);
            locked.set_due(due);
            locked.end_wait_for_steps(now);
            return;
        }
        match request.otherwise {
            WithoutJournal::Release if slot.record.has_progress() => {
                let record = slot.record.clone();
                locked.abandon(record, true, now);
                locked.set_due(due);
            }
            WithoutJournal::Release => locked.remove(now),
            WithoutJournal::Abandon(record) => {
                locked.abandon(record.clone(), request.ends_lease(), now);
                locked.set_due(due);
            }
        }
    }
}

impl LockedId<'_> {
    /// Suspends a call that waits for its steps, if none is in doubt any more: it is due at once.
    fn end_wait_for_steps(&mut self, now: Moment) {
        let Some(slot) = self.slot().filter(|slot| slot.record.waits_for_steps()) else { return };
        if !slot.has_begun_step() {
            let settled = slot.record.with_steps_settled();
            self.abandon(settled, false, now);
            self.set_due(Some(now));
        }
    }
}

impl Slot {
    /// How many steps its journal has.
    pub(super) fn steps(&self) -> usize {
        let steps = self.kept.as_ref().and_then(|kept| kept.steps.as_ref());
        steps.map_or(0, Steps::len)
    }

    /// Whether its call has a step of which the journal knows no end.
    pub(super) fn has_begun_step(&self) -> bool {
        let steps = self.kept.as_ref().and_then(|kept| kept.steps.as_ref());
        let mut steps = steps.into_iter().flatten().map(|(_, entry)| entry);
        steps.any(|entry| entry.status() == StepStatus::Begun)
    }
}

fn own_reservation<'a>(
    locked: &'a mut LockedId<'_>,
    request: &Suspend<'_>,
    now: Moment,
) -> Option<&'a mut Slot> {
    locked.slot_mut().filter(|slot| {
        slot.record.token() == request.reservation.token()
            && slot.is_reservation()
            && !slot.outlived_retention(now)
    })
}

/// What a late owner may still do: settle the step that it began.
fn settle_late(slot: Option<&mut Slot>, request: &WriteStep<'_>) -> WriteStepOutcome {
    let kept = slot.and_then(|slot| slot.kept.as_deref_mut());
    let steps = kept.and_then(|kept| kept.steps.as_mut());
    let there = steps.and_then(|steps| steps.get_mut(request.step));
    match (there, request.replaces) {
        (Some(there), _) if there == request.entry => WriteStepOutcome::Written,
        (Some(there), Replaces::Entry(seen)) if there == seen && !request.begins => {
            *there = request.entry.clone();
            WriteStepOutcome::Written
        }
        _ => WriteStepOutcome::Fenced,
    }
}

fn settle(steps: &mut Steps, settles: &[(StepId, StepEntry, StepEntry)]) {
    for (step, seen, entry) in settles {
        if let Some(there) = steps.get_mut(step).filter(|there| *there == seen) {
            *there = entry.clone();
        }
    }
}
