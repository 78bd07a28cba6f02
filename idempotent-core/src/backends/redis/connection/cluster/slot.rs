//! The hash slot of a key, and keys of a slot.

use std::sync::LazyLock;

/// How many slots a cluster has.
pub(in crate::backends::redis) const SLOTS: usize = 16_384;

/// The slot of a key, or of the part of it between the first braces.
pub(in crate::backends::redis) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16_384
}

/// How long the tag of a slot is.
const TAG: usize = 3;

/// What tags are made of.
const TAG_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The tags of all slots, one after the other.
static TAGS: LazyLock<String> = LazyLock::new(|| {
    let mut tags = vec![[0; TAG]; SLOTS];
    for first in TAG_CHARS {
        for second in TAG_CHARS {
            for third in TAG_CHARS {
                let tag = [*first, *second, *third];
                let slot = crc16::State::<crc16::XMODEM>::calculate(&tag) % 16_384;
                let place = &mut tags[usize::from(slot)];
                if *place == [0; TAG] {
                    *place = tag;
                }
            }
        }
    }
    tags.iter().flatten().map(|byte| char::from(*byte)).collect()
});

/// The tag of a slot: a text in braces that gives a key this slot. It is the same in every version, since keys have it.
pub(in crate::backends::redis) fn tag_of(slot: u16) -> &'static str {
    tags_of(slot, slot)
}

/// The tags of some slots, one after the other.
pub(in crate::backends::redis) fn tags_of(first: u16, last: u16) -> &'static str {
    let end = (usize::from(last) + 1) * TAG;
    TAGS.get(usize::from(first) * TAG..end).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        for key in ["idem:shop:abc", "", "a{b}c", "{}a", "{a", "a}b{c}", "ключ", "{{a}}"] {
            assert_eq!(Slot::new(slot_of(key)), Some(Slot::for_key(key)), "{key}");
        }
    }

    #[test]
    fn every_slot_has_a_tag_which_stays_the_same() {
        for slot in 0..16_384 {
            let tag = tag_of(slot);
            assert_eq!((tag.len(), slot_of(&format!("a{{{tag}}}b"))), (TAG, slot));
        }
        let all = blake3::hash(tags_of(0, 16_383).as_bytes()).to_hex();
        assert_eq!(&all[..16], "0955347ca6f11981");
    }
}
