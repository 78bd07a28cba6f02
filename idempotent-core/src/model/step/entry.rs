//! [`StepEntry`]: what a journal says of one step.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::id::StepId;
use super::layout::{
    FINGERPRINT_BYTES, FLAGS, HEADER, KEY_LENGTH, LAYOUT, MAC_BYTES, NAME_LENGTH, TYPES_LENGTH,
    flag,
};
use super::status::{StepStatus, code, status};
use crate::model::key::{KeyParts, clip};
use crate::model::record::{
    Fingerprint, Mac, MacKey, MalformedRecord, NotKept, RecordBytes, ResultTypes, Scratch, Token,
};

/// What a journal says of one step: an opaque value, cheap to clone.
///
/// A store writes [`as_bytes`](Self::as_bytes) unchanged and reads them back with
/// [`from_bytes`](Self::from_bytes). It compares whole values, and looks into none.
#[derive(Clone, PartialEq, Eq)]
pub struct StepEntry(pub(super) Arc<[u8]>);

/// What entries of one step have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StepHead<'a> {
    pub(crate) part_of: StepId,
    pub(crate) name: &'a str,
    pub(crate) key: Option<&'a KeyParts>,
    /// Since 1970; see [`StepEntry::written`].
    pub(crate) written: Duration,
    pub(crate) attempt: Token,
    pub(crate) version: u32,
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl StepHead<'_> {
    /// The entry of a step that has come so far and took so long, with its encoded result.
    pub(crate) fn entry(&self, reached: StepStatus, took: Duration, result: &[u8]) -> StepEntry {
        let mut bytes = self.start(reached, took);
        bytes.extend_from_slice(result);
        StepEntry(bytes[..].into())
    }

    /// The entry of a step that took so long, with the result that `encode` appends; without it, if it exceeds
    /// `max_bytes`.
    pub(crate) fn recorded<E>(
        &self,
        took: Duration,
        max_bytes: usize,
        encode: impl FnOnce(&mut RecordBytes) -> Result<(), E>,
    ) -> Result<StepEntry, E> {
        let mut bytes = self.start(StepStatus::Recorded, took);
        let head = bytes.len();
        encode(&mut bytes)?;
        if bytes.len() - head > max_bytes {
            bytes.truncate(head);
            bytes[1] = code(StepStatus::NotKept(NotKept::TooLarge));
        }
        Ok(StepEntry(bytes[..].into()))
    }

    /// The entry of a step that begins, with the names of what it may return.
    pub(crate) fn begun(&self, types: Option<ResultTypes<'_>>) -> StepEntry {
        let mut bytes = self.start(StepStatus::Begun, Duration::ZERO);
        if let Some(types) = types {
            types.write(&mut bytes);
        }
        StepEntry(bytes[..].into())
    }

    /// Everything before the result.
    fn start(&self, reached: StepStatus, took: Duration) -> Scratch {
        let name = clip(self.name, usize::from(u16::MAX));
        let flags = if self.fingerprint.is_some() { flag::FINGERPRINT } else { 0 };
        let took = u32::try_from(took.as_millis()).unwrap_or(u32::MAX);
        let mut header = [0; HEADER];
        header[..3].copy_from_slice(&[LAYOUT, code(reached), flags]);
        header[3..19].copy_from_slice(self.attempt.as_bytes());
        header[19..51].copy_from_slice(self.part_of.as_bytes());
        header[51..57].copy_from_slice(&(self.written.as_millis() as u64).to_le_bytes()[..6]);
        header[57..61].copy_from_slice(&took.to_le_bytes());
        header[61..65].copy_from_slice(&self.version.to_le_bytes());
        header[NAME_LENGTH..KEY_LENGTH].copy_from_slice(&(name.len() as u16).to_le_bytes());
        let mut bytes = Scratch::take();
        bytes.extend_from_slice(&header);
        if let Some(fingerprint) = &self.fingerprint {
            bytes.extend_from_slice(fingerprint.as_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        if let Some(key) = self.key {
            let text_at = bytes.len();
            key.write_text(&mut bytes);
            let length = (bytes.len() - text_at) as u16;
            bytes[KEY_LENGTH..HEADER].copy_from_slice(&length.to_le_bytes());
        }
        bytes
    }
}

impl StepEntry {
    /// Reads an entry from its bytes.
    ///
    /// # Errors
    ///
    /// [`MalformedRecord::Broken`] if the bytes were cut short or changed, [`MalformedRecord::Newer`] if they have a
    /// layout, a status or a flag that this version does not know. Such an entry is never a reason to run a step.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, MalformedRecord> {
        if bytes.len() < HEADER || bytes[0] < LAYOUT {
            return Err(MalformedRecord::Broken);
        }
        if bytes[0] > LAYOUT || status(bytes[1]).is_none() || bytes[FLAGS] & !flag::KNOWN != 0 {
            return Err(MalformedRecord::Newer);
        }
        let entry = Self(bytes.into());
        let texts = entry.0.get(entry.name_at()..entry.key_end());
        let is_text = texts.is_some_and(|texts| {
            let (name, key) = texts.split_at(entry.name_len());
            std::str::from_utf8(name).is_ok() && std::str::from_utf8(key).is_ok()
        });
        let is_whole = entry.result_at().is_some_and(|at| at + entry.mac_len() <= entry.0.len());
        if is_text && is_whole { Ok(entry) } else { Err(MalformedRecord::Broken) }
    }

    /// The entry's bytes, as a store keeps them.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// How far the step has come.
    #[must_use]
    pub fn status(&self) -> StepStatus {
        status(self.0[1]).unwrap_or(StepStatus::Begun)
    }

    /// Which attempt of the step wrote it: a value that no other attempt has.
    #[must_use]
    pub fn attempt(&self) -> Token {
        Token::from_bytes(self.array(3))
    }

    /// The call or the step that it is a part of.
    #[must_use]
    pub fn part_of(&self) -> StepId {
        StepId::from_bytes(self.array(19))
    }

    /// When it was written, by its owner's clocks: the wall time when its run opened the journal, and what the monotonic
    /// clock counted since then, in milliseconds. So a wall clock that was set within the run does not show, nor does,
    /// on some systems, a time for which the machine was suspended. The beginning and the end of a step that is *at most
    /// once* have the wall time itself.
    ///
    /// This is for people; no decision depends on it.
    #[must_use]
    pub fn written(&self) -> SystemTime {
        let mut millis = [0; 8];
        millis[..6].copy_from_slice(&self.0[51..57]);
        UNIX_EPOCH + Duration::from_millis(u64::from_le_bytes(millis))
    }

    /// How long the step ran, likewise.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_millis(u64::from(u32::from_le_bytes(self.array(57))))
    }

    /// The version of the result's schema.
    #[must_use]
    pub fn version(&self) -> u32 {
        u32::from_le_bytes(self.array(61))
    }

    /// The digest of the step's payload, if it has one.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        (self.0[FLAGS] & flag::FINGERPRINT != 0)
            .then(|| Fingerprint::from_bytes(self.array(HEADER)))
    }

    /// The step's name.
    #[must_use]
    pub fn name(&self) -> &str {
        let name = &self.0[self.name_at()..self.name_at() + self.name_len()];
        std::str::from_utf8(name).unwrap_or_default()
    }

    /// The key's text, if the step has a key and the engine does not redact keys.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        let key = &self.0[self.name_at() + self.name_len()..self.key_end()];
        std::str::from_utf8(key).ok().filter(|key| !key.is_empty())
    }

    /// The encoded result, which is empty unless the step is [recorded](StepStatus::Recorded).
    pub(crate) fn result(&self) -> &[u8] {
        let end = self.0.len() - self.mac_len();
        let start = match self.status() {
            StepStatus::Begun | StepStatus::NotKept(_) => end,
            _ => self.result_at().unwrap_or(end),
        };
        self.0.get(start..end).unwrap_or_default()
    }

    /// The same without its result, which may be large, and without the MAC, which covers it.
    pub(crate) fn without_result(&self) -> Self {
        let Some(end) = self.result_at().filter(|_| !self.result().is_empty()) else {
            return self.clone();
        };
        let mut bytes = self.0[..end].to_vec();
        bytes[FLAGS] &= !flag::MAC;
        Self(bytes.into())
    }

    /// This entry with its MAC, as an entry of this step in the journal of this name.
    pub(crate) fn sealed(&self, journal: Token, step: &StepId, key: &MacKey) -> Self {
        let mut bytes = self.0.to_vec();
        bytes[FLAGS] |= flag::MAC;
        let mac = key.of_step(&bytes, journal, step.as_bytes());
        bytes.extend_from_slice(&mac);
        Self(bytes.into())
    }

    /// Whether it is authentic in this place.
    pub(crate) fn verify(&self, journal: Token, step: &StepId, key: &MacKey) -> Mac {
        if !self.has_mac() {
            return Mac::Missing;
        }
        match self.0.split_last_chunk::<MAC_BYTES>() {
            // Compared in constant time.
            Some((covered, mac))
                if blake3::Hash::from(key.of_step(covered, journal, step.as_bytes())) == *mac =>
            {
                Mac::Authentic
            }
            _ => Mac::Wrong,
        }
    }

    pub(crate) fn has_mac(&self) -> bool {
        self.0[FLAGS] & flag::MAC != 0
    }

    pub(super) fn mac_len(&self) -> usize {
        if self.has_mac() { MAC_BYTES } else { 0 }
    }

    fn name_at(&self) -> usize {
        HEADER + if self.0[FLAGS] & flag::FINGERPRINT != 0 { FINGERPRINT_BYTES } else { 0 }
    }

    fn name_len(&self) -> usize {
        usize::from(u16::from_le_bytes(self.array(NAME_LENGTH)))
    }

    pub(super) fn key_end(&self) -> usize {
        self.name_at() + self.name_len() + usize::from(u16::from_le_bytes(self.array(KEY_LENGTH)))
    }

    /// Where the result begins; `None` if the entry is too short for what comes before it.
    pub(super) fn result_at(&self) -> Option<usize> {
        let at = self.key_end();
        if self.0[FLAGS] & flag::RESOLVED == 0 {
            return Some(at);
        }
        let length: [u8; TYPES_LENGTH] = self.0.get(at..at + TYPES_LENGTH)?.try_into().ok()?;
        Some(at + TYPES_LENGTH + usize::from(u16::from_le_bytes(length)))
    }

    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut array = [0; N];
        if let Some(bytes) = self.0.get(at..at + N) {
            array.copy_from_slice(bytes);
        }
        array
    }
}

impl fmt::Debug for StepEntry {
    /// Omits the key, the fingerprint and the result, which may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepEntry")
            .field("name", &self.name())
            .field("status", &self.status())
            .field("attempt", &self.attempt())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::record::{RecordId, Secret};

    fn call() -> StepId {
        StepId::of_call(&RecordId::of("shop::checkout", None, &7).unwrap())
    }

    fn entry(reached: StepStatus, result: &[u8]) -> StepEntry {
        let key = KeyParts::of(&("line:", 3)).unwrap();
        let head = StepHead {
            part_of: call(),
            name: "ship",
            key: Some(&key),
            written: Duration::from_millis(1_790_000_000_000),
            attempt: Token::from_bytes([9; 16]),
            version: 3,
            fingerprint: Some(Fingerprint::from_bytes([7; 32])),
        };
        head.entry(reached, Duration::from_millis(12), result)
    }

    #[test]
    fn every_field_survives() {
        // Without a result, types stand in its place.
        let kinds = [
            (StepStatus::Begun, &b""[..]),
            (StepStatus::Tried, b"result"),
            (StepStatus::Recorded, b"result"),
            (StepStatus::NotKept(NotKept::TooLarge), b""),
        ];
        for (reached, result) in kinds {
            let read = StepEntry::from_bytes(entry(reached, b"result").as_bytes()).unwrap();
            assert_eq!((read.status(), read.name(), read.key()), (reached, "ship", Some("line:3")));
            assert_eq!((read.part_of(), read.version()), (call(), 3));
            assert_eq!((read.result(), read.took()), (result, Duration::from_millis(12)));
            assert_eq!(read.fingerprint(), Some(Fingerprint::from_bytes([7; 32])));
            assert_eq!(read.attempt(), Token::from_bytes([9; 16]));
            assert_eq!(read.written(), UNIX_EPOCH + Duration::from_millis(1_790_000_000_000));
        }
    }

    #[test]
    fn no_prefix_and_nothing_unknown_is_an_entry() {
        let entry = entry(StepStatus::Begun, b"");
        for length in 0..entry.as_bytes().len() {
            assert_eq!(
                StepEntry::from_bytes(&entry.as_bytes()[..length]),
                Err(MalformedRecord::Broken)
            );
        }
        let (broken, newer) = (MalformedRecord::Broken, MalformedRecord::Newer);
        let changes = [
            (0, 0, broken),
            (0, 2, newer),
            (1, 99, newer),
            (2, 4, broken),
            (2, 16, newer),
            (66, 255, broken),
        ];
        for (at, value, expected) in changes {
            let mut bytes = entry.as_bytes().to_vec();
            bytes[at] = value;
            assert_eq!(StepEntry::from_bytes(&bytes), Err(expected), "{at}");
        }
    }

    #[test]
    fn an_entry_is_authentic_only_in_its_own_place() {
        let (mac, other) = (MacKey::derive(&Secret([1; 32])), MacKey::derive(&Secret([2; 32])));
        let (journal, step) = (Token::from_bytes([5; 16]), call().step("ship", None));
        let plain = entry(StepStatus::Recorded, b"result");
        let sealed = plain.sealed(journal, &step, &mac);
        let read = StepEntry::from_bytes(sealed.as_bytes()).unwrap();
        assert_eq!(read.result(), b"result");
        assert_eq!(read.verify(journal, &step, &mac), Mac::Authentic);
        assert_eq!(read.verify(journal, &step, &other), Mac::Wrong);
        assert_eq!(read.verify(journal, &call(), &mac), Mac::Wrong);
        assert_eq!(read.verify(Token::from_bytes([6; 16]), &step, &mac), Mac::Wrong);
        assert_eq!(plain.verify(journal, &step, &mac), Mac::Missing);
        let mut bytes = sealed.as_bytes().to_vec();
        bytes[1] = 128;
        let forged = StepEntry::from_bytes(&bytes).unwrap();
        assert_eq!(forged.verify(journal, &step, &mac), Mac::Wrong);
    }
}
