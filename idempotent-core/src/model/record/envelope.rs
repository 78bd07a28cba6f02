//! [`Envelope`] and the layout of a record: a fixed header, a fingerprint, two texts, and the
//! result.
//!
//! ```text
//!  0  layout        u8    1 for this layout
//!  1  outcome       u8    0 reserved, 1 kept, 2.. not kept, and why
//!  2  guarantee     u8
//!  3  flags         u8    1: has a fingerprint, 2: has the key's text
//!  4  token         16 bytes
//! 20  created       u64   milliseconds since 1970, by the writer's clock; for people only
//! 28  lease         u32   milliseconds
//! 32  retention     u32   seconds for which an indeterminate record is kept
//! 36  version       u32
//! 40  name, key     u16, u16: lengths in bytes
//! 44  fingerprint   32 bytes, if flagged
//!     name, key, payload
//! ```
//!
//! Integers are little-endian. A reservation's bytes never change: renewing moves only the store's
//! own deadline, so a store may compare whole values instead of tokens.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::outcome::RESERVED;
use super::{Fingerprint, Token};
use crate::model::guarantee::Guarantee;
use crate::model::key::{KeyParts, clip};

pub(super) const LAYOUT: u8 = 1;

pub(super) const HEADER: usize = 44;

pub(super) const HAS_FINGERPRINT: u8 = 1;

pub(super) const HAS_KEY: u8 = 2;

/// What a record says about its call, apart from the result.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Envelope<'a> {
    /// The operation's name.
    pub operation: &'a str,
    /// The key, to be shown to people, unless the engine redacts keys.
    pub key: Option<&'a KeyParts>,
    /// What happens when the reservation lapses.
    pub guarantee: Guarantee,
    /// The payload's digest, if the call has one.
    pub fingerprint: Option<Fingerprint>,
    /// The version of the result's schema.
    pub version: u32,
    /// How long the reservation holds unless it is renewed. Stored in milliseconds, at most 49
    /// days.
    pub lease: Duration,
    /// How long an indeterminate record is kept. Stored in seconds.
    pub retention: Duration,
}

/// The bytes of a record that is being built. Encoders are fastest with a plain `Vec`.
pub(crate) type RecordBytes = Vec<u8>;

impl<'a> Envelope<'a> {
    /// An envelope with the defaults: at least once, a lease of 30 seconds, a retention of 30 days.
    #[must_use]
    pub const fn new(operation: &'a str) -> Self {
        Self {
            operation,
            key: None,
            guarantee: Guarantee::AtLeastOnce,
            fingerprint: None,
            version: 0,
            lease: Duration::from_secs(30),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
        }
    }

    pub(super) fn encode(&self, token: Token, created: SystemTime) -> RecordBytes {
        let name = clip(self.operation, usize::from(u16::MAX));
        let created = created.duration_since(UNIX_EPOCH).unwrap_or_default();
        let flags = if self.fingerprint.is_some() { HAS_FINGERPRINT } else { 0 }
            | if self.key.is_some() { HAS_KEY } else { 0 };
        let mut bytes = RecordBytes::with_capacity(256);
        bytes.extend_from_slice(&[LAYOUT, RESERVED, guarantee_code(self.guarantee), flags]);
        bytes.extend_from_slice(token.as_bytes());
        bytes.extend_from_slice(&(created.as_millis() as u64).to_le_bytes());
        bytes.extend_from_slice(&saturate(self.lease.as_millis()).to_le_bytes());
        bytes.extend_from_slice(&saturate(u128::from(self.retention.as_secs())).to_le_bytes());
        bytes.extend_from_slice(&self.version.to_le_bytes());
        bytes.extend_from_slice(&(name.len() as u16).to_le_bytes());
        let key_len = bytes.len();
        bytes.extend_from_slice(&[0, 0]);
        if let Some(fingerprint) = &self.fingerprint {
            bytes.extend_from_slice(fingerprint.as_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        if let Some(key) = self.key {
            let start = bytes.len();
            key.write_text(&mut bytes);
            let length = (bytes.len() - start) as u16;
            bytes[key_len..key_len + 2].copy_from_slice(&length.to_le_bytes());
        }
        bytes
    }
}

pub(super) const fn guarantee_code(guarantee: Guarantee) -> u8 {
    match guarantee {
        Guarantee::AtLeastOnce => 0,
        Guarantee::AtMostOnce => 1,
        Guarantee::ExactlyOnce => 2,
    }
}

pub(super) fn saturate(value: u128) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
