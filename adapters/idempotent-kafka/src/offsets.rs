//! [`Offsets`]: which messages of a partition are finished, and what may be committed.
//!
//! Kafka keeps one number for each partition and group: all messages before it are done with. Messages finish in any
//! order, so the number is the offset of the lowest one that has not.

use std::collections::VecDeque;

/// The messages of a partition since the lowest one that is unfinished, in one assignment.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    /// Those received since, ascending. The first one is unfinished.
    received: VecDeque<Entry>,
    /// The offset after the last one received.
    next: Option<i64>,
    /// What the broker has, as far as is known: at first, where this assignment began.
    committed: Option<i64>,
}

#[derive(Debug)]
struct Entry {
    offset: i64,
    is_finished: bool,
}

/// That a message has an offset no higher than one before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotNew {
    /// It is the last one, twice: the client was paused between taking it from its queue and noting that.
    Repeated,
    /// The client has gone back further, such as after the partition has lost its end.
    WentBack,
}

impl Offsets {
    /// Notes a message. Offsets in between that never come, of transactions and compaction, are done with.
    pub(crate) fn receive(&mut self, offset: i64) -> Result<(), NotNew> {
        match self.next {
            Some(next) if offset == next - 1 => return Err(NotNew::Repeated),
            Some(next) if offset < next => return Err(NotNew::WentBack),
            _ => {}
        }
        self.received.push_back(Entry { offset, is_finished: false });
        self.next = Some(offset.saturating_add(1));
        self.committed.get_or_insert(offset);
        Ok(())
    }

    /// Notes that a message is done with.
    pub(crate) fn finish(&mut self, offset: i64) {
        if let Ok(at) = self.received.binary_search_by_key(&offset, |entry| entry.offset) {
            self.received[at].is_finished = true;
        }
        while self.received.front().is_some_and(|first| first.is_finished) {
            self.received.pop_front();
        }
    }

    pub(crate) fn lowest_unfinished(&self) -> Option<i64> {
        self.received.front().map(|lowest| lowest.offset)
    }

    /// How many messages were received since the lowest unfinished one, that one included.
    pub(crate) fn ahead(&self) -> usize {
        self.received.len()
    }

    /// What is to be committed, if that is more than the broker has.
    pub(crate) fn to_commit(&self) -> Option<i64> {
        let position = self.lowest_unfinished().or(self.next)?;
        (Some(position) > self.committed).then_some(position)
    }

    /// Notes what the broker has confirmed.
    pub(crate) fn committed(&mut self, offset: i64) {
        self.committed = self.committed.max(Some(offset));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn received(offsets: &[i64]) -> Offsets {
        let mut tracked = Offsets::default();
        for offset in offsets {
            tracked.receive(*offset).unwrap();
        }
        tracked
    }

    #[test]
    fn nothing_is_committed_of_a_partition_that_has_finished_nothing() {
        assert_eq!(Offsets::default().to_commit(), None);
        let mut offsets = received(&[7, 8]);
        assert_eq!(offsets.to_commit(), None);
        offsets.finish(8);
        assert_eq!((offsets.to_commit(), offsets.ahead()), (None, 2));
    }

    #[test]
    fn the_lowest_unfinished_offset_is_committed_and_then_what_follows_the_last() {
        let mut offsets = received(&[3, 4, 5]);
        offsets.finish(3);
        assert_eq!((offsets.to_commit(), offsets.ahead()), (Some(4), 2));
        offsets.finish(5);
        assert_eq!((offsets.to_commit(), offsets.ahead()), (Some(4), 2));
        offsets.finish(4);
        assert_eq!((offsets.to_commit(), offsets.ahead()), (Some(6), 0));
    }

    #[test]
    fn offsets_that_never_come_are_done_with() {
        let mut offsets = received(&[10, 15, 40]);
        offsets.finish(10);
        assert_eq!(offsets.to_commit(), Some(15));
        offsets.finish(15);
        assert_eq!(offsets.to_commit(), Some(40));
    }

    #[test]
    fn what_is_committed_is_not_committed_again_and_a_lower_confirmation_takes_nothing_back() {
        let mut offsets = received(&[0, 1]);
        offsets.finish(0);
        offsets.finish(1);
        offsets.committed(2);
        offsets.committed(1);
        assert_eq!(offsets.to_commit(), None);
    }

    #[test]
    fn a_message_that_comes_twice_is_told_from_a_client_that_goes_back() {
        let mut offsets = received(&[5, 6]);
        assert_eq!(offsets.receive(6), Err(NotNew::Repeated));
        assert_eq!(offsets.receive(5), Err(NotNew::WentBack));
        offsets.finish(5);
        offsets.finish(6);
        assert_eq!(offsets.receive(6), Err(NotNew::Repeated));
        assert_eq!(offsets.receive(2), Err(NotNew::WentBack));
        assert_eq!(offsets.to_commit(), Some(7));
    }

    proptest! {
        /// Against a plain model, in any order of receipts, ends and commits.
        #[test]
        fn no_commit_passes_an_unfinished_message_or_goes_back(
            steps in prop::collection::vec((0_u8..3, 1_i64..4, any::<prop::sample::Index>()), 1..200),
        ) {
            let (mut offsets, mut unfinished, mut last) = (Offsets::default(), BTreeSet::new(), 0);
            let mut commits = vec![0];
            for (step, gap, which) in steps {
                match step {
                    0 => {
                        last += gap;
                        offsets.receive(last).unwrap();
                        unfinished.insert(last);
                    }
                    1 if !unfinished.is_empty() => {
                        let all: Vec<i64> = unfinished.iter().copied().collect();
                        let offset = *which.get(&all);
                        unfinished.remove(&offset);
                        offsets.finish(offset);
                    }
                    _ => {
                        if let Some(position) = offsets.to_commit() {
                            prop_assert!(position > commits[commits.len() - 1]);
                            let lowest = unfinished.first().copied().unwrap_or(last + 1);
                            prop_assert_eq!(position, lowest);
                            commits.push(position);
                            offsets.committed(position);
                        }
                    }
                }
            }
        }
    }
}
