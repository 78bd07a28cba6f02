//! The members of an object: written in the order of the text, then brought into one order.

use std::cmp::Ordering;
use std::ops::Range;

/// The members of all objects that are open.
pub(super) struct Members(Vec<Member>);

/// Where a member stands in what was written: its name, then its value.
struct Member {
    /// The first bytes of its name, which decide most comparisons.
    prefix: u64,
    name: Range<usize>,
    end: usize,
    counts: bool,
}

impl Member {
    /// The one order, in which members of one name alone are equal.
    fn compare(&self, other: &Self, out: &[u8]) -> Ordering {
        let by_name = || out[self.name.clone()].cmp(&out[other.name.clone()]);
        self.prefix.cmp(&other.prefix).then_with(by_name)
    }
}

/// An object that is open.
pub(super) struct Object {
    /// Where its first member is to be.
    start: usize,
    /// Its members' first place among all.
    first: usize,
}

impl Members {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(16))
    }

    pub(super) fn open(&mut self, out: &[u8]) -> Object {
        Object { start: out.len(), first: self.0.len() }
    }

    /// Takes a member of the innermost object down: all that was written after its name's start.
    pub(super) fn push(&mut self, name: Range<usize>, counts: bool, out: &[u8]) {
        let mut prefix = [0; 8];
        let head = &out[name.start..name.end.min(name.start + prefix.len())];
        prefix[..head.len()].copy_from_slice(head);
        let prefix = u64::from_be_bytes(prefix);
        self.0.push(Member { prefix, name, end: out.len(), counts });
    }

    /// Brings the members that count into the order of their names, in place. Says no if two have one
    /// name.
    pub(super) fn close(&mut self, object: &Object, out: &mut Vec<u8>) -> bool {
        let own = &mut self.0[object.first..];
        let are_in_order =
            |own: &[Member]| own.is_sorted_by(|one, other| one.compare(other, out).is_lt());
        let is_settled = are_in_order(own) && own.iter().all(|member| member.counts);
        if !is_settled {
            own.sort_unstable_by(|one, other| one.compare(other, out));
            if !are_in_order(own) {
                return false;
            }
            let end = out.len();
            for member in own.iter().filter(|member| member.counts) {
                out.extend_from_within(member.name.start..member.end);
            }
            out.copy_within(end.., object.start);
            out.truncate(out.len() - end + object.start);
        }
        self.0.truncate(object.first);
        true
    }
}
