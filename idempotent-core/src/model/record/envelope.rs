//! [`Envelope`]: what a record says about its call, apart from the result.

use std::fmt;
use std::time::Duration;

use super::lapse_code::code_of;
use super::layout::{FLAGS, HEADER, LAYOUT, NAME_LENGTH, flag};
use super::outcome::RESERVED;
use super::owner::RUNNING;
use super::{Fingerprint, ResultTypes, Token};
use crate::model::guarantee::Guarantee;
use crate::model::key::{KeyParts, clip};
use crate::model::trace_parent::TraceParent;

/// What a record says about its call, apart from the result.
///
/// The engine makes one for each call. Authors of stores make their own for tests:
///
/// ```
/// use std::time::Duration;
///
/// use idempotent_core::Guarantee;
/// use idempotent_core::model::{Envelope, Record, Token};
///
/// let envelope = Envelope::new("shop::charge")
///     .guarantee(Guarantee::AtMostOnce)
///     .lease(Duration::from_secs(5));
/// let record = Record::reserved(&envelope, Token::random());
/// assert_eq!(record.lease(), Duration::from_secs(5));
/// ```
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Envelope<'a> {
    /// The operation's name.
    pub operation: &'a str,
    /// The key, to be shown to people, unless the engine redacts keys.
    pub key: Option<&'a KeyParts>,
    /// The scope, likewise.
    pub scope: Option<&'a KeyParts>,
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
    /// The types of the result, for those who resolve the call.
    pub result_types: Option<ResultTypes<'a>>,
    /// The span of a distributed trace in which the call runs.
    pub trace_parent: Option<&'a TraceParent>,
    /// The encoded input of a call that is resumed without its caller.
    pub input: Option<&'a [u8]>,
}

/// The bytes of a record that is being built. Encoders are fastest with a plain `Vec`.
pub(crate) type RecordBytes = Vec<u8>;

impl<'a> Envelope<'a> {
    /// An envelope with the defaults: at least once, a lease of 30 seconds, a retention of 30 days,
    /// version 0, and no fingerprint, key, scope, types or trace.
    #[must_use]
    pub const fn new(operation: &'a str) -> Self {
        Self {
            operation,
            key: None,
            scope: None,
            guarantee: Guarantee::AtLeastOnce,
            fingerprint: None,
            version: 0,
            lease: Duration::from_secs(30),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            result_types: None,
            trace_parent: None,
            input: None,
        }
    }

    /// Sets the key that is shown to people.
    #[must_use]
    pub const fn key(mut self, key: &'a KeyParts) -> Self {
        self.key = Some(key);
        self
    }

    /// Sets the scope that is shown to people.
    #[must_use]
    pub const fn scope(mut self, scope: &'a KeyParts) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Sets what happens when the reservation lapses.
    #[must_use]
    pub const fn guarantee(mut self, guarantee: Guarantee) -> Self {
        self.guarantee = guarantee;
        self
    }

    /// Sets the payload's digest.
    #[must_use]
    pub const fn fingerprint(mut self, fingerprint: Fingerprint) -> Self {
        self.fingerprint = Some(fingerprint);
        self
    }

    /// Sets the version of the result's schema.
    #[must_use]
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// Sets how long the reservation holds unless it is renewed.
    #[must_use]
    pub const fn lease(mut self, lease: Duration) -> Self {
        self.lease = lease;
        self
    }

    /// Sets how long an indeterminate record is kept.
    #[must_use]
    pub const fn retention(mut self, retention: Duration) -> Self {
        self.retention = retention;
        self
    }

    /// Sets the types of the result.
    #[must_use]
    pub const fn result_types(mut self, types: ResultTypes<'a>) -> Self {
        self.result_types = Some(types);
        self
    }

    /// Sets the span of a distributed trace in which the call runs.
    #[must_use]
    pub const fn trace_parent(mut self, parent: &'a TraceParent) -> Self {
        self.trace_parent = Some(parent);
        self
    }

    /// Sets the encoded input, with which the call can be resumed without its caller.
    #[must_use]
    pub const fn input(mut self, input: &'a [u8]) -> Self {
        self.input = Some(input);
        self
    }

    pub(super) fn encode(&self, token: Token, created: Duration, bytes: &mut RecordBytes) {
        let name = clip(self.operation, usize::from(u16::MAX));
        let flags = if self.fingerprint.is_some() { flag::FINGERPRINT } else { 0 }
            | if self.key.is_some() { flag::KEY } else { 0 }
            | if self.scope.is_some() { flag::SCOPE } else { 0 }
            | if self.result_types.is_some() { flag::RESULT_TYPE } else { 0 }
            | if self.trace_parent.is_some() { flag::TRACE_PARENT } else { 0 }
            | if self.input.is_some() { flag::INPUT } else { 0 };
        let guarantee = code_of(self.guarantee, self.input.is_some());
        // In one piece, since every piece is asked whether there is room for it.
        let mut header = [0; HEADER];
        header[..4].copy_from_slice(&[LAYOUT, RESERVED, guarantee, RUNNING]);
        header[4..20].copy_from_slice(token.as_bytes());
        header[20..26].copy_from_slice(&(created.as_millis() as u64).to_le_bytes()[..6]);
        header[26..30].copy_from_slice(&saturate(self.lease.as_millis()).to_le_bytes());
        header[30..34].copy_from_slice(&saturate(self.retention.as_secs().into()).to_le_bytes());
        header[34..38].copy_from_slice(&self.version.to_le_bytes());
        header[FLAGS..FLAGS + 2].copy_from_slice(&flags.to_le_bytes());
        header[NAME_LENGTH..].copy_from_slice(&(name.len() as u16).to_le_bytes());
        bytes.extend_from_slice(&header);
        if let Some(fingerprint) = &self.fingerprint {
            bytes.extend_from_slice(fingerprint.as_bytes());
        }
        bytes.extend_from_slice(name.as_bytes());
        for parts in [self.key, self.scope].into_iter().flatten() {
            push_text(bytes, |out| parts.write_text(out));
        }
        if let Some(types) = &self.result_types {
            push_text(bytes, |out| types.write(out));
        }
        if let Some(parent) = self.trace_parent {
            push_text(bytes, |out| out.extend_from_slice(parent.to_string().as_bytes()));
        }
        if let Some(input) = self.input {
            bytes.extend_from_slice(input);
        }
    }
}

impl fmt::Debug for Envelope<'_> {
    /// Omits the key, the scope, the fingerprint and the input, which may be confidential.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Envelope")
            .field("operation", &self.operation)
            .field("guarantee", &self.guarantee)
            .field("version", &self.version)
            .field("lease", &self.lease)
            .field("retention", &self.retention)
            .finish_non_exhaustive()
    }
}

/// Appends a text field: its length, and what `write` appends.
fn push_text(bytes: &mut RecordBytes, write: impl FnOnce(&mut RecordBytes)) {
    let start = bytes.len();
    bytes.extend_from_slice(&[0, 0]);
    write(bytes);
    let length = (bytes.len() - start - 2) as u16;
    bytes[start..start + 2].copy_from_slice(&length.to_le_bytes());
}

fn saturate(value: u128) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}
