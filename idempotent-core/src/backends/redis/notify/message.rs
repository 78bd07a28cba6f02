//! The messages between the stores of several processes, in 9 or 41 bytes.
//!
//! One byte is the kind, eight are the sender, and 32 are the hash of an id, which identifies a record
//! by itself. Unknown messages are ignored, so that a later version may add more.

use crate::backends::shared::notify::Hash;

/// A store of one process, among those that share a channel.
pub(super) type Origin = [u8; 8];

const HEADER: usize = 1 + 8;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The sender has just subscribed: who waits for what?
    Hello,
    /// The sender waits for the end of this record's call.
    Waiting(Hash),
    /// This record's call has ended, or may have.
    Done(Hash),
    /// This record was purged.
    Purged(Hash),
}

impl Message {
    pub(super) fn encode(self, origin: Origin) -> Vec<u8> {
        let (kind, hash) = match &self {
            Self::Hello => (b'h', None),
            Self::Waiting(hash) => (b'w', Some(hash)),
            Self::Done(hash) => (b'd', Some(hash)),
            Self::Purged(hash) => (b'p', Some(hash)),
        };
        let mut bytes = Vec::with_capacity(HEADER + 32);
        bytes.push(kind);
        bytes.extend_from_slice(&origin);
        if let Some(hash) = hash {
            bytes.extend_from_slice(hash);
        }
        bytes
    }

    /// The message, and who sent it.
    pub(super) fn decode(bytes: &[u8]) -> Option<(Self, Origin)> {
        let (kind, rest) = bytes.split_first()?;
        let (origin, rest) = rest.split_first_chunk()?;
        let message = match (kind, rest) {
            (b'h', []) => Self::Hello,
            (b'w', hash) => Self::Waiting(hash.try_into().ok()?),
            (b'd', hash) => Self::Done(hash.try_into().ok()?),
            (b'p', hash) => Self::Purged(hash.try_into().ok()?),
            _ => return None,
        };
        Some((message, *origin))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Message; 4] = [
        Message::Hello,
        Message::Waiting([1; 32]),
        Message::Done([2; 32]),
        Message::Purged([3; 32]),
    ];

    #[test]
    fn every_message_survives_its_bytes() {
        for message in ALL {
            let bytes = message.encode(*b"somebody");
            assert!(bytes.len() <= 41);
            assert_eq!(Message::decode(&bytes), Some((message, *b"somebody")));
        }
    }

    #[test]
    fn what_is_too_short_too_long_or_unknown_is_no_message() {
        for message in ALL {
            let mut bytes = message.encode(*b"somebody");
            for length in 0..bytes.len() {
                assert_eq!(Message::decode(&bytes[..length]), None, "{message:?}");
            }
            bytes.push(0);
            assert_eq!(Message::decode(&bytes), None, "{message:?}");
            bytes.pop();
            bytes[0] = b'?';
            assert_eq!(Message::decode(&bytes), None, "{message:?}");
        }
    }
}
