//! Reservations that another run can resume: their input, and what is known of earlier runs.

use std::time::Duration;

use super::lapse_code::guarantee_code;
use super::layout::{FLAGS, JOURNAL_BYTES, RUNS_BYTES, flag};
use super::owner::{OwnerState, RUNNING};
use super::{Record, Token};

/// What recovery knows of a call that was interrupted before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Runs {
    /// How often the call was resumed since it last recorded a step.
    pub(crate) attempts: u32,
    /// How many steps were recorded when it was resumed.
    pub(crate) steps: u32,
}

impl Record {
    /// Whether this is a reservation that keeps its call's input, so that a
    /// [`Recovery`](crate::engine::Recovery) can resume the call without its caller.
    #[must_use]
    #[inline]
    pub fn has_input(&self) -> bool {
        self.has(flag::INPUT)
    }

    /// Whether a step of this reservation's call is recorded, or an earlier run of it was interrupted. Something may
    /// have happened, so its id never becomes vacant by a [`release`](crate::store::Store::release).
    #[must_use]
    #[inline]
    pub fn has_progress(&self) -> bool {
        self.has_journal() || self.has_runs()
    }

    /// How often a [`Recovery`](crate::engine::Recovery) has resumed the call since it last recorded a step.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.runs().attempts
    }

    /// Whether this is a reservation that a [`Recovery`](crate::engine::Recovery) has given up: once it has lapsed, its call is
    /// indeterminate until somebody [resumes](crate::Idempotency::resume) it.
    // No flag says so, and none is needed, whatever the limit of attempts was then and is now: a call with an input is at least
    // once, since another is refused, and a recovery counts an attempt before it gives up. Otherwise only a run that ends in
    // doubt about its steps writes another guarantee there, if it has no journal; but the write of a step that is begun was
    // acknowledged, so it has one.
    #[must_use]
    pub fn is_parked(&self) -> bool {
        self.has_input()
            && self.attempts() > 0
            && !self.suspends()
            && !self.waits_for_steps()
            && self.owner_state() == OwnerState::Abandoned
    }

    /// The call's encoded input.
    pub(crate) fn input(&self) -> Option<&[u8]> {
        self.has_input().then(|| &self.0[self.payload_at()..self.payload_end()])
    }

    pub(crate) fn runs(&self) -> Runs {
        if !self.has_runs() {
            return Runs::default();
        }
        let at = self.runs_at();
        let (attempts, steps) = (self.array(at), self.array(at + 4));
        Runs { attempts: u32::from_le_bytes(attempts), steps: u32::from_le_bytes(steps) }
    }

    /// This reservation with what is known of earlier runs, and without a MAC.
    pub(crate) fn with_runs(&self, runs: Runs) -> Self {
        let (mut bytes, at) = (self.unsealed_bytes(), self.runs_at());
        let field = [runs.attempts.to_le_bytes(), runs.steps.to_le_bytes()].concat();
        let old = if self.has_runs() { RUNS_BYTES } else { 0 };
        bytes.splice(at..at + old, field);
        let flags = (self.flags() | flag::RUNS) & !flag::MAC;
        bytes[FLAGS..FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
        Self(bytes[..].into())
    }

    /// The reservation of the run that resumes this call, made from what stands in the store: without its caller.
    pub(crate) fn taken_over(&self, token: Token, now: Duration, runs: Runs) -> Self {
        let mut bytes = self.with_runs(runs).unsealed_bytes();
        bytes[3] = RUNNING;
        bytes[4..20].copy_from_slice(token.as_bytes());
        bytes[20..26].copy_from_slice(&(now.as_millis() as u64).to_le_bytes()[..6]);
        Self(bytes[..].into())
    }

    /// This reservation as that of nobody who runs: whoever holds it by its token so far is fenced. It has no MAC.
    pub(crate) fn of_token(&self, token: Token) -> Self {
        let mut bytes = self.unsealed_bytes();
        bytes[4..20].copy_from_slice(token.as_bytes());
        Self(bytes[..].into())
    }

    /// Whether another run of its call may follow.
    #[inline]
    pub(super) fn may_resume(&self) -> bool {
        self.has(flag::JOURNAL | flag::INPUT)
    }

    #[inline]
    pub(super) fn has_runs(&self) -> bool {
        self.has(flag::RUNS)
    }

    /// This record without a journal, an input, what is known of earlier runs, and a MAC.
    pub(super) fn plain(&self) -> Self {
        let mut bytes = self.0[..self.payload_at()].to_vec();
        let journal = if self.has_journal() { JOURNAL_BYTES } else { 0 };
        let runs = if self.has_runs() { RUNS_BYTES } else { 0 };
        let at = self.runs_at();
        bytes.drain(at..at + runs + journal);
        let left = !(flag::JOURNAL | flag::INPUT | flag::RUNS | flag::MAC);
        bytes[FLAGS..FLAGS + 2].copy_from_slice(&(self.flags() & left).to_le_bytes());
        bytes[2] = guarantee_code(self.guarantee());
        Self(bytes[..].into())
    }

    /// Where that stands, or would: before the name of the journal.
    fn runs_at(&self) -> usize {
        self.journal_at() - if self.has_runs() { RUNS_BYTES } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{
        Envelope, Guarantee, KeyParts, Mac, MacKey, Outcome, OwnerState, RecordId, Secret,
    };

    const RUNS: Runs = Runs { attempts: 3, steps: 7 };

    fn reservation() -> Record {
        let text = KeyParts::of(&("order:", 42)).unwrap();
        let envelope = Envelope::new("shop::checkout").key(&text).input(b"the order");
        Record::reserved(&envelope, Token::from_bytes([9; 16]))
    }

    fn read(record: &Record) -> Record {
        Record::from_bytes(record.as_bytes()).unwrap()
    }

    #[test]
    fn an_input_survives_every_change_of_a_reservation() {
        let name = Token::from_bytes([5; 16]);
        let first = read(&reservation());
        assert!(first.suspends() && first.keeps_lapsed() && !first.has_progress());
        let journaled = first.with_journal(name, Duration::from_secs(77));
        let changed = [
            first.held(),
            first.abandoned().with_last_error("x"),
            first.with_runs(RUNS),
            first.with_runs(RUNS).with_runs(Runs::default()).with_last_error("y"),
            journaled.with_runs(RUNS).with_guarantee(Guarantee::AtMostOnce),
            journaled.taken_over(Token::from_bytes([6; 16]), Duration::from_secs(1), RUNS),
        ];
        for record in changed.map(|record| read(&record)) {
            assert_eq!((record.input(), record.key()), (Some(&b"the order"[..]), Some("order:42")));
            assert_eq!(record.has_journal(), record.journal() == Some(name));
        }
        let kept_for_as_long = first.with_journal(name, first.retention());
        assert_eq!(kept_for_as_long.without_journal(), first);
    }

    #[test]
    fn who_takes_a_call_over_has_a_token_of_its_own_and_keeps_the_rest() {
        let token = Token::from_bytes([6; 16]);
        let taken = reservation().held().taken_over(token, Duration::from_secs(1), RUNS);
        let taken = read(&taken);
        assert_eq!((taken.token(), taken.runs(), taken.attempts()), (token, RUNS, 3));
        assert_eq!(taken.owner_state(), OwnerState::Running);
        assert!(taken.has_progress());
    }

    #[test]
    fn a_completed_record_has_neither_input_nor_runs() {
        let journaled = reservation().with_journal(Token::from_bytes([5; 16]), Duration::ZERO);
        for record in [reservation(), reservation().with_runs(RUNS), journaled.with_runs(RUNS)] {
            let completed = read(&record.completed(b"result"));
            assert_eq!((completed.input(), completed.outcome()), (None, Outcome::Kept(b"result")));
            assert_eq!((completed.runs(), completed.journal()), (Runs::default(), None));
            assert_eq!(completed.key(), Some("order:42"));
            assert!(!completed.keeps_lapsed());
        }
    }

    #[test]
    fn a_mac_covers_the_input() {
        let (id, key) =
            (RecordId::of("shop::checkout", None, &42).unwrap(), MacKey::derive(&Secret([1; 32])));
        let sealed = read(&reservation().sealed(&id, &key));
        assert_eq!(
            (sealed.verify(&id, &key), sealed.input()),
            (Mac::Authentic, Some(&b"the order"[..]))
        );
        let mut bytes = sealed.as_bytes().to_vec();
        let at = bytes.windows(9).position(|window| window == b"the order").unwrap();
        bytes[at] = b'T';
        assert_eq!(Record::from_bytes(&bytes).unwrap().verify(&id, &key), Mac::Wrong);
    }

    /// The reader of a release without steps: `bytes[2] <= 2`, and no flag that it does not know.
    #[test]
    fn a_release_without_steps_refuses_it() {
        assert!(reservation().as_bytes()[2] > 2);
        let parked = read(&reservation().with_guarantee(Guarantee::AtMostOnce));
        assert_ne!(parked.flags() & flag::INPUT, 0);
    }
}
