//! Copying one record, so that any other process may do anything at the same time.

use std::time::Duration;

use super::report::MoveReport;
use crate::model::{Envelope, NotKept, Outcome, Record, RecordId};
use crate::store::{
    Complete, CompleteOutcome, Correct, CorrectOutcome, Entry, Release, State, Store, StoreError,
};

/// What replaces a copy that is taken back is kept for as long as this, since a store may take no time at all for none.
const AT_ONCE: Duration = Duration::from_millis(1);

/// How often a record that changes under the mover's hands is tried.
const TRIES: usize = 3;

/// Deals with one record of the old store, and counts what became of it.
pub(super) async fn transfer<A: Store, B: Store>(
    old: &A,
    new: &B,
    id: &RecordId,
    entry: Entry,
    only_looks: bool,
    report: &mut MoveReport,
) -> Result<(), StoreError> {
    match entry.state {
        State::Completed => completed(old, new, id, entry, only_looks, report).await?,
        State::Reserved => report.running += 1,
        State::Suspended => report.suspended += 1,
        State::Indeterminate => match new.load(id).await? {
            // Its owner could not reach the old store at its end.
            Some(there) if there.state == State::Completed => report.already_there += 1,
            _ => report.indeterminate += 1,
        },
        State::Lapsed => {}
    }
    Ok(())
}

async fn completed<A: Store, B: Store>(
    old: &A,
    new: &B,
    id: &RecordId,
    mut entry: Entry,
    only_looks: bool,
    report: &mut MoveReport,
) -> Result<(), StoreError> {
    let there = new.load(id).await?;
    if let Some(there) = there.as_ref().filter(|there| there.state == State::Completed) {
        let is_same_call = there.record.token() == entry.record.token();
        if !is_same_call || is_overruled(&there.record, &entry.record) {
            report.conflicts += 1;
        } else if only_looks || is_kept_better(&there.record, &entry.record) {
            report.already_there += 1;
        } else {
            follow(old, new, id, there.record.clone(), report).await?;
        }
        return Ok(());
    }
    if !only_looks || entry.remaining.is_none() {
        // It may have been purged since the page was read, and a scan need not tell the ttl.
        match old.load(id).await? {
            Some(now) if now.state == State::Completed => entry = now,
            // The next pass sees what it is now.
            _ => return Ok(()),
        }
    }
    let Some(ttl) = entry.remaining else {
        report.without_expiry += 1;
        return Ok(());
    };
    if only_looks {
        report.copied += 1;
        return Ok(());
    }
    for _ in 0..TRIES {
        let answer = new.complete(&Complete::new(id, &entry.record, &entry.record, ttl)).await;
        let outcome = match answer {
            Ok(outcome) => outcome,
            Err(error) => {
                // The copy may stand.
                if !error.is_answer() {
                    let _ = follow(old, new, id, entry.record, report).await;
                }
                return Err(error);
            }
        };
        match outcome {
            CompleteOutcome::Recorded => {
                report.copied += 1;
                return follow(old, new, id, entry.record, report).await;
            }
            // Most likely its process died after it had won the new store, and before it saw the result in the old one, so
            // nothing has run. But it may have run beside this call, after a lease that lapsed.
            CompleteOutcome::Superseded(left) if left.state == State::Indeterminate => {
                let release = Release::new(id, &left.record).including_indeterminate();
                new.release(&release).await?;
                tracing::warn!(
                    record = %id,
                    token = %left.record.token(),
                    "an indeterminate reservation in the new store gives way to the result of another attempt"
                );
                report.replaced += 1;
            }
            CompleteOutcome::Superseded(_) | CompleteOutcome::Gone => break,
        }
    }
    report.busy += 1;
    Ok(())
}

/// Looks into the old store again, and makes the copy what the record is now: it may have been purged or corrected after
/// it was read, and before it was copied.
async fn follow<A: Store, B: Store>(
    old: &A,
    new: &B,
    id: &RecordId,
    mut copy: Record,
    report: &mut MoveReport,
) -> Result<(), StoreError> {
    for _ in 0..TRIES {
        let now = old.load(id).await?.filter(|now| now.state == State::Completed);
        let Some(now) = now else {
            let envelope = Envelope::new(copy.operation());
            let empty = Record::reserved(&envelope, copy.token()).tombstone(NotKept::Withheld);
            let outcome = new.correct(&Correct::new(id, &copy, &empty, AT_ONCE)).await?;
            report.taken_back += u64::from(outcome == CorrectOutcome::Corrected);
            return Ok(());
        };
        let (now, ttl) = (now.record, now.remaining);
        if is_kept_better(&copy, &now) {
            return Ok(());
        }
        let Some(ttl) = ttl else {
            report.without_expiry += 1;
            return Ok(());
        };
        match new.correct(&Correct::new(id, &copy, &now, ttl)).await? {
            CorrectOutcome::Corrected => {
                report.corrected += 1;
                copy = now;
            }
            // Somebody else was faster.
            CorrectOutcome::Changed => return Ok(()),
            CorrectOutcome::Unsupported => {
                report.conflicts += 1;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether the copy of a call's result says at least as much as the old store: it is the same, or the old store has evicted
/// the result since.
fn is_kept_better(copy: &Record, old: &Record) -> bool {
    let is_evicted = matches!(old.outcome(), Outcome::NotKept(NotKept::Evicted));
    copy == old || (is_evicted && matches!(copy.outcome(), Outcome::Kept(_)))
}

/// Whether an operator resolved a call in the old store of which the new one has the call's own result. Corrections are made
/// of what was resolved alone, so this is none: the owner was alive, and its result may have been replayed.
fn is_overruled(copy: &Record, old: &Record) -> bool {
    old.is_resolved() && !copy.is_resolved()
}
