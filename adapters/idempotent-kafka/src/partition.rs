//! [`Partition`]: the messages of one partition that this worker has, in one assignment.
//!
//! Each waits behind one of its key, is ready, is in hand, or is held until it is due.

use std::collections::{BTreeSet, HashMap, VecDeque};

use bytes::Bytes;
use tokio::time::Instant;

use crate::offsets::{NotNew, Offsets};

/// The messages, of some type, which is cheap to clone.
pub(crate) struct Partition<M> {
    /// Which assignment this is. What was begun in another one changes nothing here.
    pub(crate) epoch: u64,
    offsets: Offsets,
    unfinished: HashMap<i64, Unfinished<M>>,
    /// For each record key those that are not finished. The first one may run.
    lines: HashMap<Bytes, VecDeque<i64>>,
    ready: BTreeSet<i64>,
    due: BTreeSet<(Instant, i64)>,
    /// And which of their deliveries that is.
    in_hand: HashMap<i64, u64>,
    deliveries: u64,
    /// Where the partition ended when it was assigned, or later.
    end: Option<i64>,
    /// No more is started: the partition is being revoked, or the source stops.
    is_closing: bool,
    /// Where the client has to go back to before anything is received.
    back_to: Option<i64>,
}

struct Unfinished<M> {
    message: M,
    key: Option<Bytes>,
    /// Not before then, whenever its turn comes.
    not_before: Option<Instant>,
    /// How often it was handed out.
    deliveries: u64,
}

/// A delivery of a message: its offset, and which of its deliveries it is.
pub(crate) type Ticket = (i64, u64);

impl<M: Clone> Partition<M> {
    pub(crate) fn new(epoch: u64) -> Self {
        Self {
            epoch,
            offsets: Offsets::default(),
            unfinished: HashMap::new(),
            lines: HashMap::new(),
            ready: BTreeSet::new(),
            due: BTreeSet::new(),
            in_hand: HashMap::new(),
            deliveries: 0,
            end: None,
            is_closing: false,
            back_to: None,
        }
    }

    /// Like [`new`](Self::new), of which nothing is received before the client has gone back to this offset.
    pub(crate) fn from(epoch: u64, offset: i64) -> Self {
        Self { back_to: Some(offset), ..Self::new(epoch) }
    }

    pub(crate) fn back_to(&self) -> Option<i64> {
        self.back_to
    }

    /// The client has gone back.
    pub(crate) fn is_back(&mut self) {
        self.back_to = None;
    }

    /// Takes a message in: behind those with its key, if it has one to be ordered by.
    pub(crate) fn receive(
        &mut self,
        offset: i64,
        key: Option<Bytes>,
        not_before: Option<Instant>,
        message: M,
    ) -> Result<(), NotNew> {
        if self.back_to.is_some() {
            return Ok(());
        }
        self.offsets.receive(offset)?;
        let is_first = match &key {
            Some(key) => {
                let line = self.lines.entry(key.clone()).or_default();
                line.push_back(offset);
                line.len() == 1
            }
            None => true,
        };
        self.unfinished.insert(offset, Unfinished { message, key, not_before, deliveries: 0 });
        if is_first {
            self.enqueue(offset);
        }
        Ok(())
    }

    /// Makes it ready, or holds it until it is due.
    fn enqueue(&mut self, offset: i64) {
        let Some(unfinished) = self.unfinished.get(&offset) else { return };
        match unfinished.not_before {
            _ if self.is_closing => {}
            Some(at) => drop(self.due.insert((at, offset))),
            None => drop(self.ready.insert(offset)),
        }
    }

    /// The next message that may be handed out.
    pub(crate) fn take(&mut self, now: Instant) -> Option<(Ticket, M)> {
        self.wake(now);
        let offset = self.ready.pop_first()?;
        let unfinished = self.unfinished.get_mut(&offset)?;
        unfinished.deliveries += 1;
        let message = unfinished.message.clone();
        self.deliveries += 1;
        self.in_hand.insert(offset, self.deliveries);
        Some(((offset, self.deliveries), message))
    }

    /// Says where the partition ends, since it was assigned. What comes from there on no other member had before.
    pub(crate) fn ends_at(&mut self, end: i64) {
        self.end.get_or_insert(end);
    }

    /// Which delivery of a message the last one was, if that is known.
    pub(crate) fn delivery_count(&self, offset: i64) -> Option<u64> {
        let is_new = self.end.is_some_and(|end| offset >= end);
        self.unfinished.get(&offset).filter(|_| is_new).map(|unfinished| unfinished.deliveries)
    }

    fn wake(&mut self, now: Instant) {
        while self.due.first().is_some_and(|(at, _)| *at <= now) {
            self.ready.extend(self.due.pop_first().map(|(_, offset)| offset));
        }
    }

    /// Takes a delivery back, and holds its message until then. Another delivery of it is left alone.
    pub(crate) fn hold(&mut self, (offset, delivery): Ticket, until: Instant) {
        if self.in_hand.get(&offset) != Some(&delivery) {
            return;
        }
        self.in_hand.remove(&offset);
        if let Some(unfinished) = self.unfinished.get_mut(&offset) {
            unfinished.not_before = Some(until);
        }
        self.enqueue(offset);
    }

    /// The message is done with, whichever delivery of it says so: the next one of its key may run.
    pub(crate) fn finish(&mut self, offset: i64) {
        self.offsets.finish(offset);
        self.in_hand.remove(&offset);
        self.ready.remove(&offset);
        let Some(finished) = self.unfinished.remove(&offset) else { return };
        if let Some(at) = finished.not_before {
            self.due.remove(&(at, offset));
        }
        let Some(key) = finished.key else { return };
        let Some(line) = self.lines.get_mut(&key) else { return };
        let was_first = line.front() == Some(&offset);
        line.retain(|other| *other != offset);
        match line.front().copied() {
            Some(next) if was_first => self.enqueue(next),
            Some(_) => {}
            None => drop(self.lines.remove(&key)),
        }
    }

    /// Starts nothing more: what is not in hand is given up.
    pub(crate) fn close(&mut self) {
        self.is_closing = true;
        self.ready.clear();
        self.due.clear();
    }

    pub(crate) fn is_closing(&self) -> bool {
        self.is_closing
    }

    /// How many messages may be handed out now.
    pub(crate) fn ready(&mut self, now: Instant) -> usize {
        self.wake(now);
        self.ready.len()
    }

    pub(crate) fn in_hand(&self) -> usize {
        self.in_hand.len()
    }

    /// When the next one is due that is held.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|(at, _)| *at)
    }

    pub(crate) fn lowest_unfinished(&self) -> Option<i64> {
        self.offsets.lowest_unfinished()
    }

    /// How many messages were received since the lowest unfinished one, that one included.
    pub(crate) fn ahead(&self) -> usize {
        self.offsets.ahead()
    }

    pub(crate) fn to_commit(&self) -> Option<i64> {
        self.offsets.to_commit()
    }

    pub(crate) fn committed(&mut self, offset: i64) {
        self.offsets.committed(offset);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn with(messages: &[(i64, Option<&'static str>)]) -> Partition<i64> {
        let mut partition = Partition::new(1);
        for (offset, key) in messages {
            let key = key.map(|key| Bytes::from_static(key.as_bytes()));
            partition.receive(*offset, key, None, *offset).unwrap();
        }
        partition
    }

    fn taken(partition: &mut Partition<i64>) -> Vec<Ticket> {
        let mut tickets = Vec::new();
        while let Some((ticket, message)) = partition.take(Instant::now()) {
            assert_eq!(ticket.0, message);
            tickets.push(ticket);
        }
        tickets
    }

    fn offsets(tickets: &[Ticket]) -> Vec<i64> {
        tickets.iter().map(|(offset, _)| *offset).collect()
    }

    #[test]
    fn messages_of_one_key_run_one_after_the_other_and_others_go_on() {
        let mut partition =
            with(&[(0, Some("a")), (1, Some("a")), (2, Some("b")), (3, None), (4, None)]);
        assert_eq!(offsets(&taken(&mut partition)), [0, 2, 3, 4]);
        partition.finish(2);
        partition.finish(3);
        assert!(taken(&mut partition).is_empty());
        partition.finish(0);
        assert_eq!(offsets(&taken(&mut partition)), [1]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_is_held_keeps_its_place_before_those_of_its_key() {
        let mut partition = with(&[(0, Some("a")), (1, Some("a"))]);
        let first = taken(&mut partition);
        partition.hold(first[0], Instant::now() + SECOND);
        assert!(taken(&mut partition).is_empty());
        assert_eq!(partition.next_due(), Some(Instant::now() + SECOND));
        tokio::time::advance(SECOND).await;
        let again = taken(&mut partition);
        assert_eq!(offsets(&again), [0]);
        assert_ne!(again, first);
    }

    #[test]
    fn an_old_delivery_takes_nothing_from_a_newer_one() {
        let mut partition = with(&[(0, None)]);
        let first = taken(&mut partition);
        partition.hold(first[0], Instant::now());
        let second = taken(&mut partition);
        partition.hold(first[0], Instant::now());
        assert_eq!((partition.in_hand(), partition.ready(Instant::now())), (1, 0));
        partition.hold(second[0], Instant::now());
        assert_eq!((partition.in_hand(), partition.ready(Instant::now())), (0, 1));
    }

    #[test]
    fn a_message_that_is_finished_while_it_is_held_comes_no_more() {
        let mut partition = with(&[(0, None)]);
        let first = taken(&mut partition);
        partition.hold(first[0], Instant::now() + SECOND);
        partition.finish(0);
        assert_eq!((partition.next_due(), partition.to_commit()), (None, Some(1)));
    }

    #[test]
    fn a_partition_that_closes_starts_nothing_and_hears_of_what_is_in_hand() {
        let mut partition = with(&[(0, Some("a")), (1, Some("a")), (2, None), (3, None)]);
        let (ticket, _) = partition.take(Instant::now()).unwrap();
        let (other, _) = partition.take(Instant::now()).unwrap();
        partition.close();
        assert!(taken(&mut partition).is_empty());
        partition.finish(ticket.0);
        partition.hold(other, Instant::now());
        assert!(taken(&mut partition).is_empty());
        assert_eq!((partition.in_hand(), partition.to_commit()), (0, Some(1)));
    }

    #[test]
    fn nothing_is_kept_of_what_is_finished() {
        let mut partition = with(&[(0, Some("a")), (1, Some("a")), (2, None)]);
        for offset in [0, 1, 2, 2] {
            taken(&mut partition);
            partition.finish(offset);
        }
        assert!(partition.unfinished.is_empty() && partition.lines.is_empty());
        assert!(partition.ready.is_empty() && partition.in_hand.is_empty());
        assert_eq!((partition.ahead(), partition.to_commit()), (0, Some(3)));
    }
}
