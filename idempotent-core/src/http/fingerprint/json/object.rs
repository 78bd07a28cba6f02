//! Sorting the members of an object, which are written in the order of the text at first.

use std::cmp::Ordering;
use std::ops::Range;

/// The members of all open objects.
pub(super) struct Members(Vec<Member>);

/// The position of a member in the output: its name, then its value.
struct Member {
    /// The first bytes of its name, which are enough for most comparisons.
    prefix: u64,
    name: Range<usize>,
    end: usize,
    is_excluded: bool,
}

impl Member {
    /// The sort order. Only members with the same name compare as equal.
    fn compare(&self, other: &Self, out: &[u8]) -> Ordering {
        let by_name = || out[self.name.clone()].cmp(&out[other.name.clone()]);
        self.prefix.cmp(&other.prefix).then_with(by_name)
    }
}

/// An object that is being written.
pub(super) struct OpenObject {
    /// The position of its first member in the output.
    start: usize,
    /// The index of its first member among all open members.
    first: usize,
}

impl Members {
    pub(super) fn new() -> Self {
        Self(Vec::with_capacity(16))
    }

    pub(super) fn open(&mut self, out: &[u8]) -> OpenObject {
        OpenObject { start: out.len(), first: self.0.len() }
    }

    /// Adds a member of the innermost object: the output from the start of its name.
    pub(super) fn push(&mut self, name: Range<usize>, is_excluded: bool, out: &[u8]) {
        let mut prefix = [0; 8];
        let head = &out[name.start..name.end.min(name.start + prefix.len())];
        prefix[..head.len()].copy_from_slice(head);
        let prefix = u64::from_be_bytes(prefix);
        self.0.push(Member { prefix, name, end: out.len(), is_excluded });
    }

    /// Sorts the members by name in place, and removes the excluded ones. Returns `false` if two have
    /// the same name.
    pub(super) fn close(&mut self, object: &OpenObject, out: &mut Vec<u8>) -> bool {
        let own = &mut self.0[object.first..];
        let are_in_order =
            |own: &[Member]| own.is_sorted_by(|one, other| one.compare(other, out).is_lt());
        let is_final = are_in_order(own) && !own.iter().any(|member| member.is_excluded);
        if !is_final {
            own.sort_unstable_by(|one, other| one.compare(other, out));
            if !are_in_order(own) {
                return false;
            }
            let end = out.len();
            for member in own.iter().filter(|member| !member.is_excluded) {
                out.extend_from_within(member.name.start..member.end);
            }
            out.copy_within(end.., object.start);
            out.truncate(out.len() - end + object.start);
        }
        self.0.truncate(object.first);
        true
    }
}
