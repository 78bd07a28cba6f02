//! [`Record`]: the value that a store keeps. Its layout is in `envelope`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::envelope::{HAS_FINGERPRINT, HAS_KEY, HEADER, LAYOUT, RecordBytes, guarantee_code};
use super::outcome::{KEPT, RESERVED, not_kept, not_kept_code};
use super::{Envelope, Fingerprint, NotKept, Outcome, Token};
use crate::model::guarantee::Guarantee;

/// What a store keeps under a [`RecordId`](super::RecordId): an opaque value, cheap to clone.
///
/// A store writes [`as_bytes`](Self::as_bytes) unchanged and reads them back with
/// [`from_bytes`](Self::from_bytes). It decides by [`token`](Self::token),
/// [`guarantee`](Self::guarantee), [`lease`](Self::lease) and [`retention`](Self::retention), and
/// never looks at the result.
///
/// ```
/// use idempotent_core::model::{Envelope, Outcome, Record, Token};
///
/// let reservation = Record::reserved(&Envelope::new("shop::charge"), Token::random());
/// let completed = reservation.completed(b"result");
/// assert_eq!(completed.token(), reservation.token());
/// assert_eq!(completed.outcome(), Outcome::Kept(b"result"));
/// assert_eq!(Record::from_bytes(completed.as_bytes())?, completed);
/// # Ok::<(), idempotent_core::model::MalformedRecord>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Record(Arc<[u8]>);

/// The error for bytes that are not a [`Record`]: they were cut short or changed, or have an
/// unknown layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MalformedRecord;

impl Record {
    /// Creates the reservation of one attempt.
    #[must_use]
    pub fn reserved(envelope: &Envelope<'_>, token: Token) -> Self {
        Self::reserved_at(envelope, token, SystemTime::now())
    }

    pub(crate) fn reserved_at(envelope: &Envelope<'_>, token: Token, now: SystemTime) -> Self {
        Self(envelope.encode(token, now)[..].into())
    }

    /// This record, completed with an encoded result.
    #[must_use]
    pub fn completed(&self, payload: &[u8]) -> Self {
        let mut bytes = self.head(KEPT);
        bytes.extend_from_slice(payload);
        Self(bytes[..].into())
    }

    /// This record, completed with the result that `encode` appends, or a tombstone if the result
    /// exceeds `max_bytes`.
    pub(crate) fn completed_with<E>(
        &self,
        max_bytes: usize,
        encode: impl FnOnce(&mut RecordBytes) -> Result<(), E>,
    ) -> Result<Self, E> {
        let mut bytes = self.head(KEPT);
        let head = bytes.len();
        encode(&mut bytes)?;
        if bytes.len() - head > max_bytes {
            return Ok(self.tombstone(NotKept::TooLarge));
        }
        Ok(Self(bytes[..].into()))
    }

    /// This record, completed without its result.
    #[must_use]
    pub fn tombstone(&self, why: NotKept) -> Self {
        Self(self.head(not_kept_code(why))[..].into())
    }

    /// Everything before the payload, with another outcome.
    fn head(&self, outcome: u8) -> RecordBytes {
        let mut bytes = RecordBytes::with_capacity(512);
        bytes.extend_from_slice(&self.0[..self.payload_at()]);
        bytes[1] = outcome;
        bytes
    }

    /// Reads a record from its bytes.
    ///
    /// # Errors
    ///
    /// [`MalformedRecord`] if the bytes were cut short or changed, or have a layout that this
    /// version does not know. Such a record is never a reason to run a body.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedRecord> {
        let known = bytes.len() >= HEADER
            && bytes[0] == LAYOUT
            && (bytes[1] <= KEPT || not_kept(bytes[1]).is_some())
            && bytes[2] <= 2;
        if !known {
            return Err(MalformedRecord);
        }
        let record = Self(bytes.into());
        let (texts, payload) = (record.name_at(), record.payload_at());
        let texts = bytes.get(texts..payload).ok_or(MalformedRecord)?;
        let (name, key) = texts.split_at(record.name_len());
        if std::str::from_utf8(name).is_err() || std::str::from_utf8(key).is_err() {
            return Err(MalformedRecord);
        }
        Ok(record)
    }

    /// The record's bytes, as a store keeps them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The fencing token of the attempt that wrote it.
    #[must_use]
    pub fn token(&self) -> Token {
        Token::from_bytes(self.array(4))
    }

    /// What happens when this reservation lapses.
    #[must_use]
    pub fn guarantee(&self) -> Guarantee {
        [Guarantee::AtMostOnce, Guarantee::ExactlyOnce]
            .into_iter()
            .find(|guarantee| guarantee_code(*guarantee) == self.0[2])
            .unwrap_or(Guarantee::AtLeastOnce)
    }

    /// How far its call has come.
    #[must_use]
    pub fn outcome(&self) -> Outcome<'_> {
        match self.0[1] {
            RESERVED => Outcome::Reserved,
            KEPT => Outcome::Kept(&self.0[self.payload_at()..]),
            code => Outcome::NotKept(not_kept(code).unwrap_or(NotKept::Evicted)),
        }
    }

    /// When the reservation was made, by its owner's clock. This is for people; no decision depends
    /// on it.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(u64::from_le_bytes(self.array(20)))
    }

    /// How long the reservation holds unless it is renewed.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_millis(u64::from(u32::from_le_bytes(self.array(28))))
    }

    /// How long the record is kept once it is indeterminate.
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(u32::from_le_bytes(self.array(32))))
    }

    /// The version of the result's schema.
    #[must_use]
    pub fn version(&self) -> u32 {
        u32::from_le_bytes(self.array(36))
    }

    /// The payload's digest, if the call has one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        (self.0[3] & HAS_FINGERPRINT != 0).then(|| Fingerprint::from_bytes(self.array(HEADER)))
    }

    /// The operation's name.
    #[must_use]
    pub fn operation(&self) -> &str {
        let at = self.name_at();
        std::str::from_utf8(&self.0[at..at + self.name_len()]).unwrap_or_default()
    }

    /// The key's text, unless the engine redacts keys.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        let at = self.name_at() + self.name_len();
        let text = std::str::from_utf8(&self.0[at..at + self.key_len()]).unwrap_or_default();
        (self.0[3] & HAS_KEY != 0).then_some(text)
    }

    fn name_at(&self) -> usize {
        HEADER + if self.0[3] & HAS_FINGERPRINT != 0 { 32 } else { 0 }
    }

    fn name_len(&self) -> usize {
        usize::from(u16::from_le_bytes(self.array(40)))
    }

    fn key_len(&self) -> usize {
        usize::from(u16::from_le_bytes(self.array(42)))
    }

    fn payload_at(&self) -> usize {
        self.name_at() + self.name_len() + self.key_len()
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.0[at..at + N]);
        array
    }
}

impl fmt::Debug for Record {
    /// Omits the key, the fingerprint and the result, which may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("operation", &self.operation())
            .field("token", &self.token())
            .field("guarantee", &self.guarantee())
            .field("version", &self.version())
            .field("outcome", &self.outcome())
            .finish_non_exhaustive()
    }
}

impl fmt::Display for MalformedRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the stored bytes are not a record that this version can read")
    }
}

impl std::error::Error for MalformedRecord {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::KeyParts;

    fn full() -> Record {
        let key = KeyParts::of(&("order:", 42)).unwrap();
        let envelope = Envelope {
            key: Some(&key),
            guarantee: Guarantee::AtMostOnce,
            fingerprint: Some(Fingerprint::from_bytes([7; 32])),
            version: 3,
            lease: Duration::from_millis(1500),
            retention: Duration::from_secs(86_400),
            ..Envelope::new("shop::charge")
        };
        Record::reserved(&envelope, Token::from_bytes([9; 16]))
    }

    #[test]
    fn every_field_survives_the_bytes() {
        let record = Record::from_bytes(full().completed(b"result").as_bytes()).unwrap();
        assert_eq!(record.operation(), "shop::charge");
        assert_eq!(record.key(), Some("order:42"));
        assert_eq!(record.guarantee(), Guarantee::AtMostOnce);
        assert_eq!(record.fingerprint(), Some(Fingerprint::from_bytes([7; 32])));
        assert_eq!(record.version(), 3);
        assert_eq!(record.lease(), Duration::from_millis(1500));
        assert_eq!(record.retention(), Duration::from_secs(86_400));
        assert_eq!(record.token(), Token::from_bytes([9; 16]));
        assert_eq!(record.outcome(), Outcome::Kept(b"result"));
        assert!(record.created().elapsed().unwrap() < Duration::from_secs(60));
    }

    #[test]
    fn every_guarantee_survives_the_bytes() {
        for guarantee in [Guarantee::AtLeastOnce, Guarantee::AtMostOnce, Guarantee::ExactlyOnce] {
            let envelope = Envelope { guarantee, ..Envelope::new("shop::charge") };
            let record = Record::reserved(&envelope, Token::random());
            assert_eq!(Record::from_bytes(record.as_bytes()).unwrap().guarantee(), guarantee);
        }
    }

    #[test]
    fn a_tombstone_says_why() {
        for why in [
            NotKept::TooLarge,
            NotKept::Evicted,
            NotKept::NotEncodable,
            NotKept::NotMemoized,
            NotKept::Withheld,
        ] {
            let tombstone = full().completed(b"result").tombstone(why);
            let read = Record::from_bytes(tombstone.as_bytes()).unwrap();
            assert_eq!(read.outcome(), Outcome::NotKept(why));
        }
    }

    #[test]
    fn no_prefix_and_no_other_layout_is_a_record() {
        let record = full();
        for length in 0..record.as_bytes().len() {
            assert_eq!(Record::from_bytes(&record.as_bytes()[..length]), Err(MalformedRecord));
        }
        for (at, value) in [(0, 2), (1, 99), (2, 9)] {
            let mut bytes = record.as_bytes().to_vec();
            bytes[at] = value;
            assert_eq!(Record::from_bytes(&bytes), Err(MalformedRecord));
        }
    }

    #[test]
    fn debug_shows_no_key_and_no_result() {
        let shown = format!("{:?}", full().completed(b"secret"));
        assert!(!shown.contains("order:42") && !shown.contains("secret"), "{shown}");
    }
}
