//! [`Pending`]: the members that wait, and which of them are the next group.

use std::collections::{HashSet, VecDeque};

use super::member::{Member, Queued};
use crate::backends::shared::notify::Hash;

/// How much a group has.
#[derive(Clone, Copy)]
struct Size {
    /// Each may hold a lock of the server's table of locks.
    members: usize,
    bytes: usize,
}

/// The most that a group has, unless its first member has more bytes.
const MAX: Size = Size { members: 100, bytes: 1 << 20 };

/// The most that urgent members have of a group while others wait: however many there are, others go on.
const MAX_URGENT: Size = Size { members: MAX.members / 4 * 3, bytes: MAX.bytes / 4 * 3 };

/// The members that wait.
pub(super) struct Pending<M: Member> {
    urgent: VecDeque<Queued<M>>,
    others: VecDeque<Queued<M>>,
    hashes: HashSet<Hash>,
    /// The calls that groups under way have to themselves, also slow groups.
    calls: HashSet<Hash>,
}

impl<M: Member> Pending<M> {
    pub(super) fn new() -> Self {
        let (urgent, others) = (VecDeque::new(), VecDeque::new());
        Self { urgent, others, hashes: HashSet::new(), calls: HashSet::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.urgent.is_empty() && self.others.is_empty()
    }

    /// False if one with the same id waits already.
    pub(super) fn push(&mut self, queued: Queued<M>) -> bool {
        if let Some(hash) = queued.member.unique_hash() {
            if !self.hashes.insert(*hash) {
                return false;
            }
        }
        let queue = if queued.member.is_urgent() { &mut self.urgent } else { &mut self.others };
        queue.push_back(queued);
        true
    }

    /// The next members whose callers still wait; empty if there are none. Adds the calls that they have to
    /// themselves.
    pub(super) fn next_group(&mut self, calls: &mut HashSet<Hash>) -> Vec<Queued<M>> {
        let mut group = Group { members: Vec::new(), bytes: 0, under_way: &self.calls };
        if !self.others.is_empty() {
            group.fill(&mut self.urgent, &mut self.hashes, MAX_URGENT);
            group.fill(&mut self.others, &mut self.hashes, MAX);
        }
        group.fill(&mut self.urgent, &mut self.hashes, MAX);
        let members = group.members;
        calls.extend(members.iter().filter_map(|it| it.member.exclusive_call()));
        self.calls.extend(&*calls);
        members
    }

    /// The group that had these calls to itself has ended.
    pub(super) fn free(&mut self, calls: &mut HashSet<Hash>) {
        for call in calls.drain() {
            self.calls.remove(&call);
        }
    }
}

struct Group<'a, M: Member> {
    members: Vec<Queued<M>>,
    bytes: usize,
    under_way: &'a HashSet<Hash>,
}

impl<M: Member> Group<'_, M> {
    /// Takes the first members of a queue, except those whose call is under way: they keep their places.
    fn fill(&mut self, queue: &mut VecDeque<Queued<M>>, hashes: &mut HashSet<Hash>, max: Size) {
        let mut passed = Vec::new();
        while let Some(next) = queue.pop_front() {
            let is_passed = |call| self.under_way.contains(call);
            if next.member.exclusive_call().is_some_and(is_passed) && !next.is_closed() {
                passed.push(next);
                continue;
            }
            let bytes = self.bytes.saturating_add(next.member.bytes());
            let is_full = bytes > max.bytes && !self.members.is_empty();
            if self.members.len() >= max.members || is_full {
                passed.push(next);
                break;
            }
            if let Some(hash) = next.member.unique_hash() {
                hashes.remove(hash);
            }
            if !next.is_closed() {
                self.bytes = bytes;
                self.members.push(next);
            }
        }
        passed.into_iter().rev().for_each(|next| queue.push_front(next));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::sync::oneshot::Receiver;
    use tokio::time::Instant;

    use super::*;
    use crate::backends::postgres::groups::member::Verdict;

    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Fake {
        call: Option<Hash>,
        bytes: usize,
    }

    impl Member for Fake {
        type Answer = ();

        fn unique_hash(&self) -> Option<&Hash> {
            None
        }

        fn exclusive_call(&self) -> Option<&Hash> {
            self.call.as_ref()
        }

        fn bytes(&self) -> usize {
            self.bytes
        }

        fn is_urgent(&self) -> bool {
            self.call.is_some()
        }
    }

    const OTHER: Fake = Fake { call: None, bytes: 100 << 10 };

    const fn step(call: u8) -> Fake {
        Fake { call: Some([call; 32]), bytes: 1 }
    }

    /// Their callers wait as long as the receivers are there.
    fn push(pending: &mut Pending<Fake>, members: &[Fake]) -> Vec<Receiver<Verdict<()>>> {
        let deadline = Instant::now() + Duration::from_secs(60);
        let push = |member: &Fake| {
            let (queued, answered) = Queued::new(*member, deadline);
            assert!(pending.push(queued));
            answered
        };
        members.iter().map(push).collect()
    }

    /// The next group, and the calls that it has to itself.
    fn next(pending: &mut Pending<Fake>) -> (Vec<Fake>, HashSet<Hash>) {
        let mut calls = HashSet::new();
        let group = pending.next_group(&mut calls);
        (group.into_iter().map(|queued| queued.member).collect(), calls)
    }

    #[test]
    fn others_leave_beside_any_number_of_urgent_members() {
        let mut pending = Pending::new();
        let _urgent = push(&mut pending, &[step(1); 300]);
        let _other = push(&mut pending, &[OTHER]);
        let (group, _) = next(&mut pending);
        assert_eq!((group.len(), group.contains(&OTHER)), (100, true));
    }

    #[test]
    fn others_leave_beside_any_bytes_of_urgent_members() {
        let mut pending = Pending::new();
        let _urgent = push(&mut pending, &[Fake { bytes: 100 << 10, ..step(1) }; 300]);
        let _others = push(&mut pending, &[OTHER; 9]);
        let (group, _) = next(&mut pending);
        let others = group.iter().filter(|member| **member == OTHER).count();
        assert_eq!((group.len(), others), (10, 3));
    }

    #[test]
    fn a_call_is_in_one_group_at_a_time_and_the_next_of_other_calls_goes_on() {
        let mut pending = Pending::new();
        let _first = push(&mut pending, &[step(1); 150]);
        let _second = push(&mut pending, &[step(2); 50]);
        let (group, mut calls) = next(&mut pending);
        assert_eq!(group, [step(1); 100]);
        let (group, _second_calls) = next(&mut pending);
        assert_eq!(group, [step(2); 50]);
        assert!(next(&mut pending).0.is_empty() && !pending.is_empty());
        pending.free(&mut calls);
        assert_eq!(next(&mut pending).0, [step(1); 50]);
        assert!(pending.is_empty());
    }
}
