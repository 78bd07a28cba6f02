//! [`State`]: the partitions that are assigned to this member, and their messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use idempotent_core::consumer::SourceError;
use tokio::time::Instant;

use crate::offsets::NotNew;
use crate::partition::{Partition, Ticket};
use crate::received::Received;

/// A topic and a partition of it.
pub(crate) type Place = (Arc<str>, i32);

#[derive(Default)]
pub(crate) struct State {
    pub(crate) partitions: BTreeMap<Place, Partition<Arc<Received>>>,
    epochs: u64,
    /// The place that was last handed out from, so that each has its turn.
    last: Option<Place>,
    /// How many messages may be ready.
    pub(crate) wanted: usize,
    pub(crate) stage: Stage,
    /// The source was dropped, so that nobody waits for what is in hand.
    pub(crate) is_abandoned: bool,
    pub(crate) failure: Option<SourceError>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    #[default]
    Running,
    Stopping,
    /// The group is left, or was never joined.
    Left,
}

/// A message that is in hand: where it is, and of which assignment.
#[derive(Clone, Debug)]
pub(crate) struct Handle {
    pub(crate) place: Place,
    pub(crate) epoch: u64,
    pub(crate) ticket: Ticket,
}

/// A message that is handed out.
pub(crate) struct Taken {
    pub(crate) handle: Handle,
    pub(crate) received: Arc<Received>,
    /// Which delivery it is, if that is known.
    pub(crate) delivery_count: Option<u64>,
}

/// That a partition is not this member's any more, or is so again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revoked;

/// What is to be committed of a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Commit {
    pub(crate) place: Place,
    pub(crate) epoch: u64,
    pub(crate) offset: i64,
}

/// These places, from the one after the last that had its turn.
pub(crate) fn in_turn<'a>(
    places: impl Iterator<Item = &'a Place> + Clone,
    last: Option<&Place>,
) -> Vec<Place> {
    let is_later = |place: &Place| last.is_none_or(|last| place > last);
    let later = places.clone().filter(|place| is_later(place));
    later.chain(places.filter(|place| !is_later(place))).cloned().collect()
}

impl State {
    /// A partition is this member's from now on, in an assignment of its own.
    pub(crate) fn assign(&mut self, place: Place) -> u64 {
        self.epochs += 1;
        let mut partition = Partition::new(self.epochs);
        if self.stage >= Stage::Stopping {
            partition.close();
        }
        self.partitions.insert(place, partition);
        self.epochs
    }

    /// Takes a message in.
    pub(crate) fn receive(
        &mut self,
        place: &Place,
        offset: i64,
        key: Option<&Bytes>,
        not_before: Option<Instant>,
        received: &Arc<Received>,
    ) {
        let receive = |partition: &mut Partition<_>| {
            partition.receive(offset, key.cloned(), not_before, Arc::clone(received))
        };
        let (topic, number) = place;
        let Some(partition) = self.partitions.get_mut(place) else { return };
        match receive(partition) {
            Ok(()) => return,
            Err(NotNew::Repeated) => {
                tracing::debug!(topic = &**topic, partition = number, offset, "it came twice");
                return;
            }
            Err(NotNew::WentBack) => {}
        }
        // Other messages may have its offsets now: what is in hand of the former ones commits nothing.
        tracing::warn!(topic = &**topic, partition = number, offset, "a partition goes back");
        self.epochs += 1;
        let is_closing = partition.is_closing();
        *partition = match partition.lowest_unfinished() {
            // Begun here, it would commit past that one.
            Some(lowest) if lowest < offset => Partition::from(self.epochs, lowest),
            _ => Partition::new(self.epochs),
        };
        if is_closing {
            partition.close();
        }
        let _ = receive(partition);
    }

    /// Where the client has to go back to.
    pub(crate) fn back_to(&self) -> Vec<(Place, i64)> {
        let places = self.partitions.iter();
        places.filter_map(|(place, it)| Some((place.clone(), it.back_to()?))).collect()
    }

    /// The client has gone back.
    pub(crate) fn is_back(&mut self, place: &Place) {
        if let Some(partition) = self.partitions.get_mut(place) {
            partition.is_back();
        }
    }

    /// What is to be committed.
    pub(crate) fn to_commit(&self) -> Vec<Commit> {
        let commits = self.partitions.iter().filter_map(|(place, partition)| {
            let offset = partition.to_commit()?;
            Some(Commit { place: place.clone(), epoch: partition.epoch, offset })
        });
        commits.collect()
    }

    /// The broker has confirmed these.
    pub(crate) fn committed(&mut self, commits: &[Commit]) {
        for commit in commits {
            match self.partitions.get_mut(&commit.place) {
                Some(partition) if partition.epoch == commit.epoch => {
                    partition.committed(commit.offset);
                }
                _ => {}
            }
        }
    }

    /// The partition of a message, if it is still this member's in the same assignment.
    pub(crate) fn of(&mut self, handle: &Handle) -> Result<&mut Partition<Arc<Received>>, Revoked> {
        let partition = self.partitions.get_mut(&handle.place).ok_or(Revoked)?;
        if partition.epoch == handle.epoch { Ok(partition) } else { Err(Revoked) }
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.partitions.values().map(Partition::in_hand).sum()
    }

    pub(crate) fn ready(&mut self, now: Instant) -> usize {
        self.partitions.values_mut().map(|partition| partition.ready(now)).sum()
    }

    /// From the partitions in turn.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Taken> {
        for place in in_turn(self.partitions.keys(), self.last.as_ref()) {
            let Some(partition) = self.partitions.get_mut(&place) else { continue };
            let epoch = partition.epoch;
            if let Some((ticket, received)) = partition.take(now) {
                self.last = Some(place.clone());
                let delivery_count =
                    partition.delivery_count(ticket.0).filter(|_| !received.is_copy);
                let handle = Handle { place, epoch, ticket };
                return Some(Taken { handle, received, delivery_count });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;
    use rdkafka::Timestamp;
    use rdkafka::message::OwnedMessage;

    use super::*;
    use crate::received::Reading;

    fn place() -> Place {
        ("orders".into(), 0)
    }

    fn receive(state: &mut State, offset: i64) {
        let timestamp = Timestamp::NotAvailable;
        let record = OwnedMessage::new(None, None, "orders".to_owned(), timestamp, 0, offset, None);
        let received = Arc::new(Reading::default().read(&record));
        state.receive(&place(), offset, None, None, &received);
    }

    fn with(offsets: &[i64]) -> State {
        let mut state = State::default();
        state.assign(place());
        offsets.iter().for_each(|offset| receive(&mut state, *offset));
        state
    }

    fn taken(state: &mut State) -> Handle {
        state.take(Instant::now()).expect("a message is ready").handle
    }

    fn finish(state: &mut State, handle: &Handle) -> Result<(), Revoked> {
        state.of(handle).map(|partition| partition.finish(handle.ticket.0))
    }

    #[test]
    fn a_message_that_the_client_gives_twice_forgets_nothing_and_runs_once() {
        let mut state = with(&[0, 1, 2]);
        let first = taken(&mut state);
        receive(&mut state, 2);
        for handle in [taken(&mut state), taken(&mut state)] {
            finish(&mut state, &handle).unwrap();
        }
        assert!(state.take(Instant::now()).is_none(), "one came twice");
        assert!(state.to_commit().is_empty(), "the first one is unfinished");
        finish(&mut state, &first).unwrap();
        receive(&mut state, 2);
        assert!(state.take(Instant::now()).is_none(), "one came twice");
        assert_eq!(state.to_commit()[0].offset, 3);
    }

    #[test]
    fn a_partition_that_goes_back_begins_anew_where_it_has_gone_to() {
        let mut state = with(&[3, 4, 5]);
        let old = taken(&mut state);
        receive(&mut state, 1);
        assert_eq!(finish(&mut state, &old), Err(Revoked));
        assert!(state.back_to().is_empty() && state.to_commit().is_empty());
        let new = taken(&mut state);
        finish(&mut state, &new).unwrap();
        assert_eq!((new.ticket.0, state.to_commit()[0].offset), (1, 2));
    }

    #[test]
    fn a_partition_that_goes_back_between_its_messages_begins_anew_with_the_lowest_unfinished_one()
    {
        let mut state = with(&[3, 4, 5, 6]);
        let old = taken(&mut state);
        receive(&mut state, 4);
        assert_eq!(state.back_to(), [(place(), 3)]);
        // What is in the client's queue still.
        receive(&mut state, 5);
        assert_eq!(finish(&mut state, &old), Err(Revoked));
        assert!(state.take(Instant::now()).is_none() && state.to_commit().is_empty());
        state.is_back(&place());
        receive(&mut state, 3);
        let new = taken(&mut state);
        finish(&mut state, &new).unwrap();
        assert_eq!((state.back_to().len(), state.to_commit()[0].offset), (0, 4));
    }

    #[test]
    fn a_partition_that_goes_back_while_it_is_given_up_starts_nothing() {
        let mut state = with(&[3, 4]);
        state.partitions.get_mut(&place()).unwrap().close();
        receive(&mut state, 1);
        assert!(state.take(Instant::now()).is_none());
    }

    proptest! {
        /// Messages with these gaps between them, from a client that gives the last one again, or goes back.
        #[test]
        fn no_commit_passes_an_unfinished_message_though_the_client_goes_back(
            gaps in prop::collection::vec(1_i64..4, 1..30),
            steps in prop::collection::vec((0_u8..9, any::<prop::sample::Index>()), 1..200),
        ) {
            let log: Vec<i64> = gaps
                .iter()
                .scan(0, |last, gap| {
                    *last += gap;
                    Some(*last)
                })
                .collect();
            let (mut state, mut position, mut in_hand) = (with(&[]), 0, Vec::new());
            let mut unfinished: BTreeSet<i64> = log.iter().copied().collect();
            for (step, which) in steps {
                match step {
                    0..3 if position < log.len() => {
                        receive(&mut state, log[position]);
                        position += 1;
                    }
                    3 if position > 0 => receive(&mut state, log[position - 1]),
                    4 if position > 0 => position = which.index(position),
                    5..8 if !in_hand.is_empty() => {
                        let handle: Handle = in_hand.swap_remove(which.index(in_hand.len()));
                        if finish(&mut state, &handle).is_ok() {
                            unfinished.remove(&handle.ticket.0);
                        }
                    }
                    _ => in_hand.extend(state.take(Instant::now()).map(|taken| taken.handle)),
                }
                if let Some((place, offset)) = state.back_to().pop() {
                    // A client that is slow to go back gives a few more.
                    if which.index(2) == 0 {
                        state.is_back(&place);
                        position = log.partition_point(|it| *it < offset);
                    }
                }
                let commits = state.to_commit();
                for commit in &commits {
                    let lowest = unfinished.first().copied().unwrap_or(i64::MAX);
                    prop_assert!(commit.offset <= lowest, "{} and {lowest}", commit.offset);
                }
                state.committed(&commits);
            }
        }
    }
}
