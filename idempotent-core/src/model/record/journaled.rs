//! Reservations that have a journal: their flag, the journal's name, and what their lapse means. Those that have an
//! input are in `resumable`.

use std::time::Duration;

use super::envelope::RecordBytes;
use super::lapse_code::{RESUMABLE, WAITS_FOR_STEPS, code_of};
use super::layout::{FINGERPRINT_BYTES, FLAGS, HEADER, JOURNAL_BYTES, RETENTION, flag, journal_at};
use super::{Record, Token};

impl Record {
    /// Whether this is a reservation whose call has a journal of steps.
    #[must_use]
    #[inline]
    pub fn has_journal(&self) -> bool {
        self.has(flag::JOURNAL)
    }

    /// The name of the call's journal: the token of its first reservation.
    #[must_use]
    #[inline]
    pub fn journal(&self) -> Option<Token> {
        self.has_journal().then(|| Token::from_bytes(self.array(self.journal_at())))
    }

    /// Whether a lapsed reservation is kept: as indeterminate, or as suspended because it has a journal or an input. This is all
    /// that a store needs to know about what a lapse means.
    ///
    /// ```
    /// use idempotent_core::Guarantee;
    /// use idempotent_core::model::{Envelope, Record, Token};
    ///
    /// let envelope = Envelope::new("shop::charge");
    /// assert!(!Record::reserved(&envelope, Token::random()).keeps_lapsed());
    /// let envelope = envelope.guarantee(Guarantee::AtMostOnce);
    /// assert!(Record::reserved(&envelope, Token::random()).keeps_lapsed());
    /// ```
    #[must_use]
    pub fn keeps_lapsed(&self) -> bool {
        self.guarantee().keeps_lapsed() || self.suspends()
    }

    /// Whether a lapse leaves this reservation suspended, so that another run resumes it.
    #[must_use]
    pub fn suspends(&self) -> bool {
        self.0[2] == RESUMABLE
    }

    /// Whether the call waits until no step of its journal is in doubt, and for nothing else. A lapse leaves it
    /// indeterminate. Once no step is in doubt, its store writes it [as it is then](Self::with_steps_settled).
    #[must_use]
    pub fn waits_for_steps(&self) -> bool {
        self.0[2] == WAITS_FOR_STEPS
    }

    /// This record once no step of its call is in doubt: what [waited for its steps](Self::waits_for_steps) suspends.
    /// Any other record stays as it is. It differs in one byte, the third, which is 3 in the place of 4, and is as
    /// authentic as before.
    ///
    /// ```
    /// use idempotent_core::model::{Envelope, Record, Token};
    ///
    /// let plain = Record::reserved(&Envelope::new("shop::charge"), Token::random());
    /// assert!(!plain.waits_for_steps());
    /// assert_eq!(plain.with_steps_settled(), plain);
    /// ```
    #[must_use]
    pub fn with_steps_settled(&self) -> Self {
        if !self.waits_for_steps() {
            return self.clone();
        }
        let mut bytes = self.0.to_vec();
        bytes[2] = RESUMABLE;
        Self(bytes.into())
    }

    /// This reservation as that of a call that [waits for its steps](Self::waits_for_steps), if it has a journal and suspends
    /// otherwise; any other record stays as it is. It has no MAC.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use idempotent_core::model::{Envelope, Record, Token};
    ///
    /// let reserved = Record::reserved(&Envelope::new("shop::checkout"), Token::random());
    /// assert_eq!(reserved.waiting_for_steps(), reserved);
    ///
    /// let journaled = reserved.with_journal(Token::random(), Duration::from_secs(60));
    /// let waiting = journaled.waiting_for_steps();
    /// assert!(waiting.waits_for_steps());
    /// assert_eq!(waiting.with_steps_settled(), journaled);
    /// ```
    #[must_use]
    pub fn waiting_for_steps(&self) -> Self {
        if !(self.has_journal() && self.suspends()) {
            return self.clone();
        }
        let mut bytes = self.unsealed_bytes();
        bytes[2] = WAITS_FOR_STEPS;
        Self(bytes[..].into())
    }

    /// This reservation with a journal of this name, and kept for so long once it has lapsed. It has no MAC.
    #[must_use]
    pub fn with_journal(&self, journal: Token, retention: Duration) -> Self {
        let plain = self.without_journal();
        let at = plain.journal_at();
        let mut bytes = RecordBytes::with_capacity(plain.0.len() + JOURNAL_BYTES);
        bytes.extend_from_slice(&plain.0[..at]);
        bytes.extend_from_slice(journal.as_bytes());
        bytes.extend_from_slice(&plain.0[at..]);
        let flags = plain.flags() | flag::JOURNAL;
        bytes[FLAGS..FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
        let seconds = u32::try_from(retention.as_secs()).unwrap_or(u32::MAX);
        bytes[RETENTION..RETENTION + 4].copy_from_slice(&seconds.to_le_bytes());
        bytes[2] = code_of(plain.guarantee(), true);
        Self(bytes[..].into())
    }

    /// This reservation without a journal and without a MAC.
    pub(super) fn without_journal(&self) -> Self {
        let mut bytes = self.unsealed_bytes();
        if self.has_journal() {
            let at = self.journal_at();
            bytes.drain(at..at + JOURNAL_BYTES);
            let flags = self.flags() & !(flag::JOURNAL | flag::MAC);
            bytes[FLAGS..FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
            bytes[2] = code_of(self.guarantee(), self.has_input());
        }
        Self(bytes[..].into())
    }

    /// Whether guarantee, journal and input belong together.
    pub(super) fn has_valid_guarantee(&self) -> bool {
        if self.has_runs() && !self.may_resume() {
            return false;
        }
        match (self.0[2], self.may_resume()) {
            (WAITS_FOR_STEPS, _) => self.has_journal() && self.is_reservation(),
            (RESUMABLE | 1, true) => self.is_reservation(),
            (RESUMABLE, false) | (_, true) => false,
            (_, false) => true,
        }
    }

    pub(super) fn journal_at(&self) -> usize {
        let fingerprint = if self.has(flag::FINGERPRINT) { FINGERPRINT_BYTES } else { 0 };
        journal_at(self.flags(), HEADER + fingerprint + self.name_len())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{
        Envelope, Fingerprint, Guarantee, KeyParts, Mac, MacKey, MalformedRecord, Outcome,
        OwnerState, RecordId, Secret,
    };

    const RETENTION: Duration = Duration::from_secs(77);

    fn reservation(guarantee: Guarantee) -> Record {
        let text = KeyParts::of(&("order:", 42)).unwrap();
        let envelope = Envelope::new("shop::checkout")
            .key(&text)
            .guarantee(guarantee)
            .fingerprint(Fingerprint::from_bytes([7; 32]));
        Record::reserved(&envelope, Token::from_bytes([9; 16]))
    }

    fn name() -> Token {
        Token::from_bytes([5; 16])
    }

    #[test]
    fn a_journaled_reservation_keeps_every_field_and_says_that_it_suspends() {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
            let plain = reservation(guarantee);
            let record = plain.with_journal(name(), RETENTION);
            let read = Record::from_bytes(record.as_bytes()).unwrap();
            assert_eq!((read.journal(), read.guarantee()), (Some(name()), guarantee));
            assert_eq!((read.key(), read.operation()), (Some("order:42"), "shop::checkout"));
            assert_eq!((read.fingerprint(), read.token()), (plain.fingerprint(), plain.token()));
            assert_eq!(read.retention(), RETENTION);
            assert!(read.keeps_lapsed());
            assert_eq!(read.suspends(), guarantee == Guarantee::AtLeastOnce);
            let again = read.with_journal(name(), RETENTION).abandoned().with_last_error("x");
            let again = Record::from_bytes(again.as_bytes()).unwrap();
            assert_eq!((again.journal(), again.last_error()), (Some(name()), Some("x")));
            assert_eq!(again.owner_state(), OwnerState::Abandoned);
        }
    }

    #[test]
    fn a_completed_record_has_no_journal() {
        let record = reservation(Guarantee::AtLeastOnce).with_journal(name(), RETENTION);
        let completed = record.abandoned().completed(b"result");
        let read = Record::from_bytes(completed.as_bytes()).unwrap();
        assert_eq!((read.journal(), read.outcome()), (None, Outcome::Kept(b"result")));
        assert_eq!(read.guarantee(), Guarantee::AtLeastOnce);
        assert!(!read.keeps_lapsed());
    }

    #[test]
    fn the_guarantee_of_a_journaled_reservation_can_be_made_stricter_and_back() {
        let record = reservation(Guarantee::AtLeastOnce).with_journal(name(), RETENTION);
        let doubtful = record.with_guarantee(Guarantee::AtMostOnce);
        assert!(!doubtful.suspends() && doubtful.keeps_lapsed());
        assert_eq!(doubtful.with_guarantee(Guarantee::AtLeastOnce), record);
    }

    #[test]
    fn a_call_that_waits_for_its_steps_suspends_once_they_are_settled() {
        let record = reservation(Guarantee::AtLeastOnce).with_journal(name(), RETENTION);
        let suspended = record.abandoned().with_last_error("x");
        let waiting = suspended.waiting_for_steps();
        let read = Record::from_bytes(waiting.as_bytes()).unwrap();
        assert!(read.waits_for_steps() && read.keeps_lapsed() && !read.suspends());
        assert_eq!((read.guarantee(), read.journal()), (Guarantee::AtMostOnce, Some(name())));
        assert_eq!(read.with_steps_settled(), suspended);
        assert_eq!(suspended.with_steps_settled(), suspended);
        assert_eq!(read.with_guarantee(Guarantee::AtLeastOnce), suspended);
        assert!(!read.completed(b"result").waits_for_steps());
    }

    #[test]
    fn only_what_has_a_journal_and_suspends_waits_for_its_steps() {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce] {
            let plain = reservation(guarantee);
            assert_eq!(plain.waiting_for_steps(), plain);
            let mut bytes = plain.as_bytes().to_vec();
            bytes[2] = WAITS_FOR_STEPS;
            assert_eq!(Record::from_bytes(&bytes), Err(MalformedRecord::Broken));
        }
        let strict = reservation(Guarantee::AtMostOnce).with_journal(name(), RETENTION);
        assert_eq!(strict.waiting_for_steps(), strict);
    }

    #[test]
    fn a_mac_covers_the_journals_name() {
        let (id, key) =
            (RecordId::of("shop::checkout", None, &42).unwrap(), MacKey::derive(&Secret([1; 32])));
        let sealed = reservation(Guarantee::AtLeastOnce).sealed(&id, &key);
        let journaled = sealed.with_journal(name(), RETENTION);
        assert!(!journaled.has_mac());
        let sealed = journaled.sealed(&id, &key);
        assert_eq!(sealed.verify(&id, &key), Mac::Authentic);
        assert_eq!(Record::from_bytes(sealed.as_bytes()), Ok(sealed.clone()));
        assert_eq!(sealed.completed(b"x").outcome(), Outcome::Kept(b"x"));
    }

    /// The reader of the last release: `bytes[2] <= 2`, and no flag that it does not know.
    #[test]
    fn a_release_without_steps_refuses_it() {
        const KNOWN_BEFORE: u16 = flag::KNOWN & !flag::JOURNAL;
        let record = reservation(Guarantee::AtLeastOnce).with_journal(name(), RETENTION);
        assert!(record.as_bytes()[2] > 2);
        let doubtful = record.with_guarantee(Guarantee::AtMostOnce);
        assert_ne!(doubtful.flags() & !KNOWN_BEFORE, 0);
    }
}
