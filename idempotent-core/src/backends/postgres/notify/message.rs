//! The notifications on the channel of a table: one letter, and the hash of an id in hexadecimal. The
//! statements of the folder `sql` send them. An unknown one is ignored, so that later versions may add more.

use crate::backends::shared::hex;
use crate::backends::shared::notify::Hash;

/// One notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// The call of this record has ended.
    Ended(Hash),
    /// This record was purged.
    Purged(Hash),
}

impl Message {
    pub(super) fn parse(payload: &str) -> Option<Self> {
        let hash = |text| hex::decode(text)?.try_into().ok();
        match payload.split_at_checked(1)? {
            ("d", text) => hash(text).map(Self::Ended),
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
        assert_eq!(Message::parse(&format!("d{text}")), Some(Message::Ended([0xab; 32])));
        assert_eq!(Message::parse(&format!("p{text}")), Some(Message::Purged([0xab; 32])));
        for other in ["", "d", "é", "dab", &format!("x{text}"), &format!("d{text}00")] {
            assert_eq!(Message::parse(other), None, "{other:?}");
        }
    }
}
