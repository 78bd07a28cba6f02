//! What is said over the channel of a table: one letter, and the hash of an id in hex. The statements
//! of `sql` say it. What is not understood is ignored, so that a later version may say more.

use crate::store::postgres::hex;
use crate::store::wake::Hash;

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// This record's call ended.
    Done(Hash),
    /// This record was purged.
    Purged(Hash),
}

impl Message {
    pub(super) fn parse(payload: &str) -> Option<Self> {
        let hash = |text| hex::decode(text)?.try_into().ok();
        match payload.split_at_checked(1)? {
            ("d", text) => hash(text).map(Self::Done),
            ("p", text) => hash(text).map(Self::Purged),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_a_letter_and_a_whole_hash() {
        let text = hex::encode(&[0xab; 32]);
        assert_eq!(Message::parse(&format!("d{text}")), Some(Message::Done([0xab; 32])));
        assert_eq!(Message::parse(&format!("p{text}")), Some(Message::Purged([0xab; 32])));
        for other in ["", "d", "é", "dab", &format!("x{text}"), &format!("d{text}00")] {
            assert_eq!(Message::parse(other), None, "{other:?}");
        }
    }
}
