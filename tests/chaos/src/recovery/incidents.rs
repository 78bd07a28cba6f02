//! What befell a run from outside, and when.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::checker::Span;
use crate::timestamp::Timestamp;

/// What befell a run.
#[derive(Clone, Debug, Default)]
pub(super) struct Incidents {
    /// When a worker was killed.
    pub(super) kills: Vec<Timestamp>,
    /// While a worker was stopped.
    pub(super) freezes: Vec<Freeze>,
    /// From a fault of a server until it was whole again.
    pub(super) server_faults: Vec<Span>,
    /// While the machine did not let the runner run.
    pub(super) stalls: Vec<Span>,
    /// While there was no process that reached the store and could go on.
    pub(super) absences: Vec<Span>,
    /// While no process knew the steps of these calls.
    pub(super) unknown: Vec<(BTreeSet<u32>, Span)>,
}

/// A worker that was stopped, and went on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Freeze {
    pub(super) process: u32,
    pub(super) span: Span,
}

/// What a process writes down so soon after a freeze may have been decided before it.
const THAW: Duration = Duration::from_millis(50);

impl Incidents {
    /// Whether a process had been stopped right before it wrote this down.
    pub(super) fn was_frozen(&self, process: u32, at: Timestamp) -> bool {
        let mut freezes = self.freezes.iter().filter(|freeze| freeze.process == process);
        freezes.any(|Freeze { span, .. }| (span.from..span.to.after(THAW)).contains(&at))
    }

    /// While no process could have gone on with a call.
    fn absences_for(&self, order: u32) -> impl Iterator<Item = Span> {
        let unknown = self.unknown.iter().filter(move |(orders, _)| orders.contains(&order));
        self.absences.iter().copied().chain(unknown.map(|(_, span)| *span))
    }

    /// How much of a time went by while nobody could have done anything for a call.
    pub(super) fn excused(&self, order: u32, time: Span) -> Duration {
        let stalls = self.stalls.iter().copied();
        let mut spans: Vec<Span> = stalls.chain(self.absences_for(order)).collect();
        spans.sort_by_key(|span| span.from);
        let (mut excused, mut counted) = (Duration::ZERO, time.from);
        for span in spans {
            let (from, to) = (span.from.max(counted), span.to.min(time.to));
            excused += to.since(from);
            counted = counted.max(to);
        }
        excused
    }

    /// When a call that a worker was taking may have been lost: it stopped to answer, for a while or for good, or the store had.
    pub(super) fn losses(&self, order: u32) -> impl Iterator<Item = Timestamp> {
        let workers =
            self.kills.iter().copied().chain(self.freezes.iter().map(|freeze| freeze.span.from));
        workers.chain(self.absences_for(order).map(|span| span.to))
    }
}
