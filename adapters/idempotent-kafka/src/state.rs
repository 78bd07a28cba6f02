//! [`State`]: the partitions that are assigned to this member, and their messages.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use idempotent_core::consumer::SourceError;
use tokio::time::Instant;

use crate::offsets::WentBack;
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

impl State {
    /// A partition is this member's from now on, in an assignment of its own.
    pub(crate) fn assign(&mut self, place: Place) {
        self.epochs += 1;
        let mut partition = Partition::new(self.epochs);
        if self.stage >= Stage::Stopping {
            partition.close();
        }
        self.partitions.insert(place, partition);
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
        if self.partitions.get_mut(place).map(receive) != Some(Err(WentBack)) {
            return;
        }
        // Its messages have other offsets now: what is in hand of the former ones commits nothing.
        let (topic, partition) = place;
        tracing::warn!(topic = &**topic, partition, offset, "a partition has lost its end");
        self.assign(place.clone());
        let _ = self.partitions.get_mut(place).map(receive);
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
        let is_later = |place: &Place| self.last.as_ref().is_none_or(|last| place > last);
        let later = self.partitions.keys().filter(|place| is_later(place));
        let earlier = self.partitions.keys().filter(|place| !is_later(place));
        let places: Vec<Place> = later.chain(earlier).cloned().collect();
        for place in places {
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
