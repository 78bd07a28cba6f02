//! [`Estimate`]: what one scope keeps in the store, as far as the engine knows.

use std::time::Duration;

use tokio::time::Instant;

use super::charge::{Charge, Charged};
use crate::store::ScopeUse;

/// A scope is looked at for the first time once this process has used up one part in so many of its share.
const FIRST_LOOK: u64 = 64;

/// After that, once this process has used up one part in so many of what the last look had left.
const NEXT_LOOK: u64 = 8;

/// The pause after a look: at least this, and in proportion to how long the look took.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
const PAUSE_FACTOR: u32 = 50;

/// What one scope keeps in the store.
#[derive(Debug)]
pub(super) struct Estimate {
    /// What the store last said.
    known: ScopeUse,
    was_asked: bool,
    /// What this process's calls have added since the store was asked.
    added: ScopeUse,
    /// What they had added when the present question was put to the store.
    added_when_asked: Option<ScopeUse>,
    next_look: Instant,
    /// Without a store that counts: what they added in the ttl, and in the retention, before the present one.
    before: ScopeUse,
    ttl_began: Instant,
    retention_began: Instant,
    touched: Instant,
}

impl Estimate {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            known: ScopeUse::default(),
            was_asked: false,
            added: ScopeUse::default(),
            added_when_asked: None,
            next_look: now,
            before: ScopeUse::default(),
            ttl_began: now,
            retention_began: now,
            touched: now,
        }
    }

    pub(super) fn is_idle(&self, now: Instant, idle: Duration) -> bool {
        self.added_when_asked.is_none() && now.saturating_duration_since(self.touched) >= idle
    }

    pub(super) fn charge(&mut self, charge: &Charge, can_count: bool, now: Instant) -> Charged {
        self.touched = now;
        let found = if can_count { self.known } else { self.fading(charge, now) };
        let refused = refusal(sum(found, self.added), charge);
        if refused.is_none() {
            self.added.records += 1;
        }
        let wants_look = refused.is_some() || self.has_added_enough(charge);
        let ask =
            can_count && wants_look && self.added_when_asked.is_none() && now >= self.next_look;
        if ask {
            self.added_when_asked = Some(self.added);
        }
        Charged { refused, ask }
    }

    pub(super) fn refund(&mut self) {
        self.added.records = self.added.records.saturating_sub(1);
        // If the store is being asked, it may or may not have counted it. Too much is counted again soon.
    }

    pub(super) fn completed(&mut self, bytes: u64) {
        self.added.bytes = self.added.bytes.saturating_add(bytes);
    }

    pub(super) fn indeterminate(&mut self) {
        self.added.indeterminate += 1;
    }

    pub(super) fn answered(&mut self, answer: Option<ScopeUse>, took: Duration, now: Instant) {
        let asked = self.added_when_asked.take();
        if let (Some(known), Some(asked)) = (answer, asked) {
            self.known = known;
            self.was_asked = true;
            // What came after the question may be missing from the answer.
            self.added.records = self.added.records.saturating_sub(asked.records);
            self.added.bytes = self.added.bytes.saturating_sub(asked.bytes);
            self.added.indeterminate = self.added.indeterminate.saturating_sub(asked.indeterminate);
        }
        self.next_look =
            now + took.saturating_mul(PAUSE_FACTOR).clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
    }

    fn has_added_enough(&self, Charge { share, max_records, .. }: &Charge) -> bool {
        let enough = |added: u64, known: u64, share: u64| {
            let part = if self.was_asked {
                share.saturating_sub(known) / NEXT_LOOK
            } else {
                share / FIRST_LOOK
            };
            added >= part.max(1)
        };
        enough(self.added.records, self.known.records, *max_records)
            || enough(self.added.bytes, self.known.bytes, share.bytes)
            || enough(self.added.indeterminate, self.known.indeterminate, share.indeterminate)
    }

    /// What is left of what was added before, if it came evenly over its time.
    fn fading(&mut self, charge: &Charge, now: Instant) -> ScopeUse {
        let (ttl, retention) = (charge.ttl, charge.retention);
        let left = advance(&mut self.ttl_began, ttl, now);
        if left.turned > 0 {
            let again = left.turned == 1;
            self.before.records = if again { self.added.records } else { 0 };
            self.before.bytes = if again { self.added.bytes } else { 0 };
            (self.added.records, self.added.bytes) = (0, 0);
        }
        let left_of_retention = advance(&mut self.retention_began, retention, now);
        if left_of_retention.turned > 0 {
            let again = left_of_retention.turned == 1;
            self.before.indeterminate = if again { self.added.indeterminate } else { 0 };
            self.added.indeterminate = 0;
        }
        ScopeUse {
            records: left.of(self.before.records),
            bytes: left.of(self.before.bytes),
            indeterminate: left_of_retention.of(self.before.indeterminate),
        }
    }
}

/// How much of a window is left, in thousandths, and how many windows have passed since the last look.
struct Left {
    thousandths: u64,
    turned: u128,
}

impl Left {
    fn of(&self, whole: u64) -> u64 {
        (u128::from(whole) * u128::from(self.thousandths) / 1000) as u64
    }
}

fn advance(began: &mut Instant, window: Duration, now: Instant) -> Left {
    let (window, passed) =
        (window.as_nanos().max(1), now.saturating_duration_since(*began).as_nanos());
    let turned = passed / window;
    let into = passed % window;
    if turned > 0 {
        *began = now - Duration::from_nanos(u64::try_from(into).unwrap_or(u64::MAX));
    }
    Left { thousandths: 1000 - (into * 1000 / window) as u64, turned }
}

fn sum(left: ScopeUse, right: ScopeUse) -> ScopeUse {
    ScopeUse {
        records: left.records.saturating_add(right.records),
        bytes: left.bytes.saturating_add(right.bytes),
        indeterminate: left.indeterminate.saturating_add(right.indeterminate),
    }
}

/// Why a call may not run in a scope that keeps this much.
pub(in crate::engine) fn refusal(found: ScopeUse, charge: &Charge) -> Option<&'static str> {
    let Charge { share, max_records, guarantee, .. } = charge;
    if found.records >= *max_records {
        Some("the limit is `max_records`")
    } else if found.bytes >= share.bytes {
        Some("the limit is `max_bytes`")
    } else if found.indeterminate >= share.indeterminate && guarantee.keeps_lapsed() {
        Some("the limit is `max_indeterminate`: resolve what is indeterminate")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
