//! The hash slot of a key.

/// How many slots a cluster has.
pub(in crate::backends::redis::connection) const SLOTS: usize = 16_384;

/// The slot of a key, or of the part of it between the first braces.
pub(in crate::backends::redis) fn slot_of(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16_384
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
}
