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

/// For how long a call was stuck.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stuck {
    pub(super) longest: Duration,
    /// How often it was longer than allowed, were it not for a worker that may have died with the call.
    pub(super) excused: usize,
}

/// The longest time from the last sign of life of a call until somebody took it who then ran it. Whoever took it and did not
/// run it has shown no life, once a body of it has started.
///
/// A worker that dies while it takes a call leaves no sign of that, and neither does one that is never answered. So where a
/// worker dies when the call may be due, or the store comes back, the call has a lease and a pause from then on.
pub(super) fn judge(
    evidence: &Evidence<'_>,
    order: u32,
    entries: &[&Entry],
    faults: &mut Vec<String>,
) -> Stuck {
    let mut found = Stuck::default();
    // Nobody else could know of it.
    if evidence.findings.begun_late.contains(&order) {
        return found;
    }
    let allowed = allowed(evidence.settings.lease);
    let (mut last, mut has_started) = (None, false);
    for (at, &entry) in entries.iter().enumerate() {
        let is_asked = entry.event == Event::Asked;
        if is_asked && is_run(entry, &entries[at + 1..]) {
            if let Some(last) = last {
                let (whole, stuck) = stuck(evidence, last, entry);
                found.longest = found.longest.max(stuck);
                found.excused += usize::from(whole > allowed && stuck <= allowed);
                if stuck > allowed {
                    faults.push(fault(order, stuck, last, entry));
                }
            }
            last = Some(entry);
        } else if !is_asked || !has_started {
            last = Some(entry);
        }
        has_started |= entry.event == Event::Started;
    }
    found
}

/// The time from a sign of life until the call was taken, whole and since a worker was lost.
fn stuck(evidence: &Evidence<'_>, last: &Entry, taken: &Entry) -> (Duration, Duration) {
    // A run that has said its end is suspended at once. Another is renewed every third of its lease.
    let due = match last.event {
        Event::Ended { .. } | Event::Resolved => last.at,
        _ => last.at.after(evidence.settings.lease / 2),
    };
    let lost =
        evidence.incidents.losses(last.order).filter(|at| (due..taken.at).contains(at)).max();
    let since = |from| {
        let time = Span { from, to: taken.at };
        time.to.since(time.from).saturating_sub(evidence.incidents.excused(last.order, time))
    };
    (since(last.at), since(lost.unwrap_or(last.at)))
}

fn fault(order: u32, stuck: Duration, last: &Entry, taken: &Entry) -> String {
    let (millis, process) = (stuck.as_millis(), taken.run.process);
    let Entry { event, run, .. } = last;
    format!(
        "order {order} was stuck for {millis} ms before process {process} took it; its last sign of life was {event:?} of {run:?}"
    )
}

/// Whether whoever took the call has then run it.
fn is_run(taken: &Entry, later: &[&Entry]) -> bool {
    let mut here = later.iter().filter(|entry| entry.run.process == taken.run.process);
    here.next().is_some_and(|entry| entry.event == Event::Started)
}
