//! For how long nobody ran a call.

use std::time::Duration;

use super::Evidence;
use crate::checker::Span;
use crate::recovery::launcher::STORE_TIMEOUT;
use crate::recovery::ledger::{Entry, Event};
use crate::recovery::order::POLL;
use crate::recovery::worker::LONGEST_BACKOFF;

/// What the machine may add to a lease and a pause: one call of the store that is not answered, one look of the recovery
/// that has just looked, the pauses within a step, and a second in which two processors run what a dozen processes want.
/// Time in which the machine stood still, or in which no worker reached the store, does not count at all.
pub(super) const SLACK: Duration =
    STORE_TIMEOUT.saturating_add(POLL).saturating_add(Duration::from_millis(1_300));

/// For how long a call may be stuck.
pub(super) fn allowed(lease: Duration) -> Duration {
    lease + LONGEST_BACKOFF + SLACK
}

/// The longest time from the last sign of life of a call until somebody took it who then ran it.
///
/// A worker that dies while it takes a call leaves no sign of that, and neither does one that is never answered. So where a
/// worker dies when the call may be due, or the store comes back, the call has a lease and a pause from then on.
pub(super) fn judge(
    evidence: &Evidence<'_>,
    order: u32,
    entries: &[&Entry],
    faults: &mut Vec<String>,
) -> Duration {
    // Nobody else could know of it.
    if evidence.findings.begun_late.contains(&order) {
        return Duration::ZERO;
    }
    let lease = evidence.settings.lease;
    let mut longest = Duration::ZERO;
    for (at, pair) in entries.windows(2).enumerate() {
        let (last, taken) = (pair[0], pair[1]);
        if taken.event != Event::Asked || !is_run(taken, &entries[at + 2..]) {
            continue;
        }
        // A run that has said its end is suspended at once. Another is renewed every third of its lease.
        let due = match last.event {
            Event::Ended { .. } | Event::Resolved => last.at,
            _ => last.at.after(lease / 2),
        };
        let lost = evidence.incidents.losses().filter(|at| (due..taken.at).contains(at)).max();
        let time = Span { from: lost.unwrap_or(last.at), to: taken.at };
        let stuck = time.to.since(time.from).saturating_sub(evidence.incidents.excused(time));
        longest = longest.max(stuck);
        if stuck > allowed(lease) {
            faults.push(format!(
                "order {order} was stuck for {} ms before process {} took it; its last sign of life was {:?} of {:?}",
                stuck.as_millis(), taken.run.process, last.event, last.run
            ));
        }
    }
    longest
}

/// Whether whoever took the call has then run it.
fn is_run(taken: &Entry, later: &[&Entry]) -> bool {
    let mut here = later.iter().filter(|entry| entry.run.process == taken.run.process);
    here.next().is_some_and(|entry| entry.event == Event::Started)
}
