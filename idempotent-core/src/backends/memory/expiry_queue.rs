//! [`ExpiryQueue`]: the results of one scope, in the order in which they end.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::appended_results::AppendedResults;
use super::moment::Moment;
use super::stored_result::StoredResult;
use crate::backends::shared::cache::Hash;

/// The results of one scope, those that end first at the front.
///
/// Results that are kept for equally long come in this order already and are appended. The others are sorted
/// into a tree beside them.
#[derive(Default)]
pub(super) struct ExpiryQueue {
    appended: AppendedResults,
    sorted: BTreeMap<(Moment, Hash), Arc<StoredResult>>,
}

/// What becomes of a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Choice {
    Take,
    Keep,
    /// Neither this one nor any after it is looked at.
    Stop,
}

impl ExpiryQueue {
    pub(super) fn len(&self) -> usize {
        self.appended.len() + self.sorted.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// When the first result ends.
    pub(super) fn first_end(&self) -> Option<Moment> {
        let appended = self.appended.first_end();
        let sorted = self.sorted.first_key_value().map(|(key, _)| key.0);
        [appended, sorted].into_iter().flatten().min()
    }

    #[inline]
    pub(super) fn push(&mut self, result: Arc<StoredResult>) {
        let until = result.until;
        if self.appended.may_append(until) {
            self.appended.push(result);
        } else {
            self.sorted.insert((until, result.id), result);
        }
    }

    /// Takes a result out, and says whether it was there.
    pub(super) fn remove(&mut self, result: &StoredResult) -> bool {
        if self.sorted.remove(&(result.until, result.id)).is_some() {
            return true;
        }
        self.appended.remove(result)
    }

    /// Takes out the results that are chosen, from the first that ends on.
    pub(super) fn take(
        &mut self,
        mut choose: impl FnMut(&StoredResult) -> Choice,
    ) -> Vec<Arc<StoredResult>> {
        let mut taken = Vec::new();
        let (mut sorted_taken, mut appended_taken) = (Vec::new(), 0);
        let mut appended = self.appended.places().peekable();
        let mut sorted = self.sorted.iter().peekable();
        loop {
            let end = sorted.peek().map(|(key, _)| key.0);
            let first = appended.next_if(|place| {
                let until = place.as_ref().map(|it| it.until);
                end.is_none_or(|end| until.is_some_and(|until| until <= end))
            });
            if let Some(place) = first {
                match place.as_deref().map_or(Choice::Keep, &mut choose) {
                    Choice::Stop => break,
                    Choice::Keep => {}
                    Choice::Take => {
                        taken.extend(place.take());
                        appended_taken += 1;
                    }
                }
            } else if let Some((key, result)) = sorted.next() {
                match choose(result) {
                    Choice::Stop => break,
                    Choice::Keep => {}
                    Choice::Take => {
                        taken.push(Arc::clone(result));
                        sorted_taken.push(*key);
                    }
                }
            } else {
                break;
            }
        }
        for key in sorted_taken {
            self.sorted.remove(&key);
        }
        drop(appended);
        self.appended.taken(appended_taken);
        taken
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::backends::memory::stored_result::ScopeNumber;
    use crate::model::{Envelope, Record, Token};

    fn moment(seconds: u64) -> Moment {
        Moment::of(Duration::from_secs(seconds))
    }

    fn result(id: u8, until: u64) -> Arc<StoredResult> {
        let envelope = Envelope::new("test");
        let record = Record::reserved(&envelope, Token::random());
        Arc::new(StoredResult::new([id; 32], record, moment(until), ScopeNumber::default()))
    }

    fn ids(taken: &[Arc<StoredResult>]) -> Vec<u8> {
        taken.iter().map(|it| it.id[0]).collect()
    }

    #[test]
    fn results_are_taken_in_the_order_of_their_ends_whatever_the_order_in_which_they_came() {
        let mut queue = ExpiryQueue::default();
        for (id, until) in [(1, 10), (2, 30), (3, 20), (4, 30), (5, 5), (6, 40), (7, 35)] {
            queue.push(result(id, until));
        }
        assert_eq!(queue.first_end(), Some(moment(5)));
        let due = queue.take(|it| if it.until <= moment(20) { Choice::Take } else { Choice::Stop });
        assert_eq!(ids(&due), [5, 1, 3]);
        assert_eq!(queue.first_end(), Some(moment(30)));
        let even = queue.take(|it| if it.id[0] % 2 == 0 { Choice::Take } else { Choice::Keep });
        assert_eq!(ids(&even), [2, 4, 6]);
        assert_eq!(ids(&queue.take(|_| Choice::Take)), [7]);
        assert!(queue.is_empty());
        assert_eq!(queue.first_end(), None);
    }

    #[test]
    fn a_result_is_removed_once_and_no_other_with_it() {
        let mut queue = ExpiryQueue::default();
        let results: Vec<_> = (0..50).map(|n| result(n, [7, 3, 7][usize::from(n % 3)])).collect();
        for it in &results {
            queue.push(Arc::clone(it));
        }
        for it in results.iter().skip(1).step_by(2) {
            assert!(queue.remove(it));
            assert!(!queue.remove(it));
        }
        assert!(!queue.remove(&result(0, 8)), "of another end");
        let mut left = ids(&queue.take(|_| Choice::Take));
        left.sort_unstable();
        assert!(left.into_iter().eq((0..50).step_by(2)));
        assert!(queue.is_empty());
    }

    #[test]
    fn results_are_found_that_end_when_the_next_chunk_begins() {
        let mut queue = ExpiryQueue::default();
        let results: Vec<_> = (0..80).map(|n| result(n, if n < 20 { 5 } else { 7 })).collect();
        results.iter().for_each(|it| queue.push(Arc::clone(it)));
        for (left, it) in results.iter().enumerate().rev() {
            assert!(queue.remove(it), "{}", it.id[0]);
            assert_eq!(queue.len(), left);
        }
        assert_eq!(queue.appended.room().0, 0);
        queue.push(result(0, 1));
        assert_eq!(queue.appended.len(), 1, "whatever was there before");
    }

    #[test]
    fn what_was_removed_takes_no_room() {
        let mut queue = ExpiryQueue::default();
        queue.push(result(0, 1));
        for n in 0..10_000 {
            let next = result(1, 2 + n);
            queue.push(Arc::clone(&next));
            assert!(queue.remove(&next));
        }
        let (places, room) = queue.appended.room();
        assert!(places < 10 && room < 100, "{places} places, room for {room}");
    }
}
