//! [`Record`]: the value that a store keeps. Its bytes are described in `layout`.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::envelope::RecordBytes;
use super::lapse_code::{code_of, guarantee_code};
use super::layout::{
    FLAGS, HEADER, LAYOUT, MAC_BYTES, NAME_LENGTH, flag, name_at, split_text, texts_at,
};
use super::mac::{MacKey, remove_flag};
use super::malformed::{MalformedRecord, has_known_codes};
use super::outcome::{KEPT, RESERVED, not_kept, not_kept_code};
use super::owner::{ABANDONED, HELD, RUNNING, owner_state};
use super::scratch::Scratch;
use super::{Envelope, Fingerprint, NotKept, Outcome, OwnerState, RecordId, Token};
use crate::model::guarantee::Guarantee;
use crate::model::key::clip;

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
/// assert!(reservation.is_reservation() && completed.has_result());
/// assert_eq!(Record::from_bytes(completed.as_bytes())?, completed);
/// # Ok::<(), idempotent_core::model::MalformedRecord>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Record(pub(super) Arc<[u8]>);

impl Record {
    /// Creates the reservation of one attempt.
    #[must_use]
    pub fn reserved(envelope: &Envelope<'_>, token: Token) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::reserved_at(envelope, token, now, None)
    }

    /// The same at a moment since 1970 that was just read from the clock, with a MAC if there is a key for
    /// it.
    pub(crate) fn reserved_at(
        envelope: &Envelope<'_>,
        token: Token,
        now: Duration,
        mac: Option<(&RecordId, &MacKey)>,
    ) -> Self {
        let mut bytes = Scratch::take();
        envelope.encode(token, now, &mut bytes);
        if let Some((id, key)) = mac {
            key.seal(id, &mut bytes);
        }
        Self(bytes[..].into())
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

    /// This reservation, held: its owner went away, while work may still be going on elsewhere.
    #[must_use]
    pub fn held(&self) -> Self {
        let mut bytes = self.unsealed_bytes();
        bytes[3] = HELD;
        Self(bytes[..].into())
    }

    /// This reservation, abandoned: its owner has ended, and nobody knows what it did.
    #[must_use]
    pub fn abandoned(&self) -> Self {
        let mut bytes = self.unsealed_bytes();
        bytes[3] = ABANDONED;
        Self(bytes[..].into())
    }

    /// This reservation with another guarantee.
    pub(crate) fn with_guarantee(&self, guarantee: Guarantee) -> Self {
        let mut bytes = self.unsealed_bytes();
        bytes[2] = code_of(guarantee, self.may_resume());
        Self(bytes[..].into())
    }

    /// This reservation with what went wrong, for people. At most 255 bytes of it are kept.
    pub(crate) fn with_last_error(&self, error: &str) -> Self {
        let text = clip(error, 255);
        let flags = self.flags() & !flag::MAC;
        let (mut before, mut after) = (RecordBytes::new(), RecordBytes::new());
        for field in flag::TEXTS {
            let out = if field < flag::LAST_ERROR { &mut before } else { &mut after };
            let Some(text) = self.text(field).filter(|_| field != flag::LAST_ERROR) else {
                continue;
            };
            push_text(out, text);
        }
        let mut bytes = self.0[..texts_at(flags, self.name_len())].to_vec();
        bytes.extend_from_slice(&before);
        push_text(&mut bytes, text);
        bytes.extend_from_slice(&after);
        bytes[FLAGS..FLAGS + 2].copy_from_slice(&(flags | flag::LAST_ERROR).to_le_bytes());
        bytes.extend_from_slice(&self.0[self.payload_at()..self.payload_end()]);
        Self(bytes[..].into())
    }

    /// Everything before the payload, with another outcome.
    fn head(&self, outcome: u8) -> Scratch {
        if self.may_resume() {
            return self.plain().head(outcome);
        }
        let mut bytes = Scratch::take();
        bytes.extend_from_slice(&self.0[..self.payload_at()]);
        (bytes[1], bytes[3]) = (outcome, RUNNING);
        remove_flag(&mut bytes);
        bytes
    }

    /// Reads a record from its bytes.
    ///
    /// # Errors
    ///
    /// [`MalformedRecord::Broken`] if the bytes were cut short or changed, [`MalformedRecord::Newer`] if they have a
    /// layout or a field that this version does not know. Neither is ever a reason to run a body.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedRecord> {
        let known = bytes.len() >= HEADER && bytes[0] == LAYOUT && has_known_codes(bytes);
        if !known {
            return Err(MalformedRecord::of(bytes));
        }
        let record = Self(bytes.into());
        let is_valid = record.has_valid_fields() && record.has_valid_guarantee();
        if is_valid { Ok(record) } else { Err(MalformedRecord::of(bytes)) }
    }

    /// Whether the flagged fields are there, and nothing but them before the end of a reservation.
    fn has_valid_fields(&self) -> bool {
        let flags = self.flags();
        let name = self.name_at()..self.name_at() + self.name_len();
        let is_name = |name| std::str::from_utf8(name).is_ok();
        if flags & !flag::KNOWN != 0 || !self.0.get(name).is_some_and(is_name) {
            return false;
        }
        let Some(mut rest) = self.0.get(texts_at(flags, self.name_len())..) else { return false };
        for _ in flag::TEXTS.iter().filter(|field| flags & **field != 0) {
            let Some((_, behind)) = split_text(rest) else { return false };
            rest = behind;
        }
        let mac = if flags & flag::MAC != 0 { MAC_BYTES } else { 0 };
        let may_have_more = self.0[1] != RESERVED || flags & flag::INPUT != 0;
        rest.len() == mac || (may_have_more && rest.len() > mac)
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
        if self.waits_for_steps() {
            return Guarantee::AtMostOnce;
        }
        [Guarantee::AtMostOnce, Guarantee::ExactlyOnce]
            .into_iter()
            .find(|guarantee| guarantee_code(*guarantee) == self.0[2])
            .unwrap_or(Guarantee::AtLeastOnce)
    }

    /// Whether its call has not completed, as far as the record says.
    #[must_use]
    pub fn is_reservation(&self) -> bool {
        self.0[1] == RESERVED
    }

    /// Whether it carries its call's result. A completed record without one is a tombstone.
    #[must_use]
    pub fn has_result(&self) -> bool {
        self.0[1] == KEPT
    }

    /// How far its call has come.
    #[must_use]
    pub fn outcome(&self) -> Outcome<'_> {
        match self.0[1] {
            RESERVED => Outcome::Reserved,
            KEPT => Outcome::Kept(&self.0[self.payload_at()..self.payload_end()]),
            code => Outcome::NotKept(not_kept(code).unwrap_or(NotKept::Evicted)),
        }
    }

    /// When the reservation was made, by its owner's clock. This is for people; no decision depends
    /// on it.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(self.number::<6>(20))
    }

    /// How long the reservation holds unless it is renewed.
    #[must_use]
    pub fn lease(&self) -> Duration {
        Duration::from_millis(u64::from(u32::from_le_bytes(self.array(26))))
    }

    /// How long the record is kept once it is indeterminate.
    #[must_use]
    pub fn retention(&self) -> Duration {
        Duration::from_secs(u64::from(u32::from_le_bytes(self.array(30))))
    }

    /// The version of the result's schema.
    #[must_use]
    pub fn version(&self) -> u32 {
        u32::from_le_bytes(self.array(34))
    }

    /// What the owner of this reservation last said about itself.
    #[must_use]
    pub fn owner_state(&self) -> OwnerState {
        owner_state(self.0[3]).unwrap_or(OwnerState::Running)
    }

    /// The payload's digest, if the call has one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.has(flag::FINGERPRINT).then(|| Fingerprint::from_bytes(self.array(HEADER)))
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
        self.text(flag::KEY)
    }

    /// The scope's text, unless the engine redacts keys or the call has no scope.
    #[must_use]
    pub fn scope(&self) -> Option<&str> {
        self.text(flag::SCOPE)
    }

    /// What went wrong when the call ended without a known outcome, if its owner said so.
    #[must_use]
    pub fn last_error(&self) -> Option<&str> {
        self.text(flag::LAST_ERROR)
    }

    pub(super) fn text(&self, wanted: u16) -> Option<&str> {
        let flags = self.flags();
        let mut texts = self.0.get(texts_at(flags, self.name_len())..)?;
        for field in flag::TEXTS.into_iter().filter(|field| flags & field != 0) {
            let (text, rest) = split_text(texts)?;
            if field == wanted {
                return Some(text);
            }
            texts = rest;
        }
        None
    }

    #[inline]
    pub(super) fn flags(&self) -> u16 {
        u16::from_le_bytes(self.array(FLAGS))
    }

    /// Whether it has a MAC. Whether that is the right one, only a key can tell.
    pub(crate) fn has_mac(&self) -> bool {
        self.has(flag::MAC)
    }

    /// The bytes of a record that is about to be changed, so without its MAC.
    pub(super) fn unsealed_bytes(&self) -> RecordBytes {
        let mut bytes = self.0[..self.payload_end()].to_vec();
        remove_flag(&mut bytes);
        bytes
    }

    #[inline]
    pub(super) fn payload_end(&self) -> usize {
        self.0.len() - if self.has_mac() { MAC_BYTES } else { 0 }
    }

    #[inline]
    pub(super) fn has(&self, flag: u16) -> bool {
        self.flags() & flag != 0
    }

    fn name_at(&self) -> usize {
        name_at(self.flags())
    }

    pub(super) fn name_len(&self) -> usize {
        usize::from(u16::from_le_bytes(self.array(NAME_LENGTH)))
    }

    /// Where the flagged texts end. Their lengths were checked when the record was read.
    #[inline]
    pub(super) fn payload_at(&self) -> usize {
        let flags = self.flags();
        let mut at = texts_at(flags, self.name_len());
        let mut texts = flags & flag::ALL_TEXTS;
        while texts != 0 {
            at += 2 + usize::from(u16::from_le_bytes(self.array(at)));
            // Removes the lowest flag.
            texts &= texts - 1;
        }
        at
    }

    /// A number of less than eight bytes.
    fn number<const N: usize>(&self, at: usize) -> u64 {
        let mut bytes = [0; 8];
        bytes[..N].copy_from_slice(&self.0[at..at + N]);
        u64::from_le_bytes(bytes)
    }

    pub(super) fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        array.copy_from_slice(&self.0[at..at + N]);
        array
    }
}

fn push_text(out: &mut RecordBytes, text: &str) {
    out.extend_from_slice(&(text.len() as u16).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
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
            .field("owner_state", &self.owner_state())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
