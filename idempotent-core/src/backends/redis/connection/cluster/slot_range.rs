//! Which primary has which slots, as `CLUSTER SLOTS` tells.

use redis::Value;

use crate::backends::redis::connection::node::Node;

/// Consecutive slots, and the primary that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::backends::redis) struct SlotRange {
    pub(in crate::backends::redis) first: u16,
    pub(in crate::backends::redis) last: u16,
    pub(in crate::backends::redis) primary: Node,
}

impl SlotRange {
    pub(in crate::backends::redis) fn contains(&self, slot: u16) -> bool {
        (self.first..=self.last).contains(&slot)
    }
}

/// Reads an answer to `CLUSTER SLOTS`; `None` if it is something else.
///
/// A node that does not know its own address leaves its host out: it is at `default_host` then.
pub(super) fn parse_slot_ranges(answer: &Value, default_host: &str) -> Option<Vec<SlotRange>> {
    let Value::Array(ranges) = answer else { return None };
    ranges.iter().map(|range| parse_slot_range(range, default_host)).collect()
}

fn parse_slot_range(range: &Value, default_host: &str) -> Option<SlotRange> {
    let Value::Array(range) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = range.as_slice() else {
        return None;
    };
    let Some(Value::Int(port)) = primary.get(1) else { return None };
    let host: Option<String> = redis::from_redis_value(primary.first()?.clone()).ok()?;
    let host = host.filter(|host| !host.is_empty() && host != "?");
    Some(SlotRange {
        first: u16::try_from(*first).ok()?,
        last: u16::try_from(*last).ok()?,
        primary: Node::At {
            host: host.unwrap_or_else(|| default_host.to_owned()),
            port: u16::try_from(*port).ok()?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_of_a_slot_is_the_first_of_its_range() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |first, last, nodes: Vec<Value>| {
            let mut range = vec![Value::Int(first), Value::Int(last)];
            range.extend(nodes);
            Value::Array(range)
        };
        let slots = Value::Array(vec![
            range(0, 99, vec![node(text("a"), 1), node(text("b"), 2)]),
            range(100, 200, vec![node(text(""), 3)]),
            range(201, 300, vec![node(Value::Nil, 4)]),
        ]);
        let at = |host: &str, port| Node::At { host: host.to_owned(), port };
        let range = |first, last, primary| SlotRange { first, last, primary };
        let expected = vec![
            range(0, 99, at("a", 1)),
            range(100, 200, at("seed", 3)),
            range(201, 300, at("seed", 4)),
        ];
        assert_eq!(parse_slot_ranges(&slots, "seed"), Some(expected));
        assert_eq!(parse_slot_ranges(&Value::Nil, "seed"), None);
        assert_eq!(parse_slot_ranges(&Value::Array(vec![Value::Int(1)]), "seed"), None);
    }
}
