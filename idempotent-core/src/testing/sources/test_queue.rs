//! The queue of a [`TestBroker`](super::TestBroker): its messages, and who has them.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::parked_message::ParkedMessage;
use crate::consumer::{Message, Verdict};

/// The messages of a broker.
pub(super) struct Queue {
    entries: BTreeMap<u64, Entry>,
    last_position: u64,
    last_delivery: u64,
    pub(super) deadline: Duration,
    /// The newest message is delivered first.
    pub(super) is_reversed: bool,
    pub(super) is_away: bool,
    /// How many of the next verdicts are lost on their way, how many of their confirmations, and how many settlements
    /// of what is parked.
    pub(super) lost_verdicts: usize,
    pub(super) lost_settlements: usize,
    pub(super) lost_confirmations: usize,
    pub(super) parked: Vec<ParkedMessage>,
    pub(super) completed: Vec<String>,
    pub(super) stale: Vec<(String, Verdict)>,
    pub(super) deliveries: u64,
}

struct Entry {
    message: Message,
    deliveries: u64,
    state: State,
}

enum State {
    Ready { at: Instant },
    InHand { delivery: u64, until: Instant },
}

/// What is delivered.
pub(super) struct Taken {
    pub(super) position: u64,
    pub(super) delivery: u64,
    pub(super) message: Message,
}

impl Queue {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            entries: BTreeMap::new(),
            last_position: 0,
            last_delivery: 0,
            deadline,
            is_reversed: false,
            is_away: false,
            lost_verdicts: 0,
            lost_settlements: 0,
            lost_confirmations: 0,
            parked: Vec::new(),
            completed: Vec::new(),
            stale: Vec::new(),
            deliveries: 0,
        }
    }

    /// Publishes a message, which gets a position of its own, and an id of that unless it has one.
    pub(super) fn publish(&mut self, message: impl FnOnce(String) -> Message, delay: Duration) {
        self.last_position += 1;
        let position = format!("test/{}", self.last_position);
        let message = message(position.clone()).at(position);
        let state = State::Ready { at: Instant::now() + delay };
        self.entries.insert(self.last_position, Entry { message, deliveries: 0, state });
    }

    /// How many messages are not settled.
    pub(super) fn unsettled(&self) -> usize {
        self.entries.len()
    }

    /// The next delivery; otherwise when there may be one.
    pub(super) fn take(&mut self) -> Result<Taken, Option<Instant>> {
        let now = Instant::now();
        if self.is_away {
            return Err(None);
        }
        let due = |entry: &Entry| match entry.state {
            State::Ready { at } => at,
            State::InHand { until, .. } => until,
        };
        let ready = |entry: &&u64| self.entries.get(entry).is_some_and(|entry| due(entry) <= now);
        let position = match self.is_reversed {
            false => self.entries.keys().find(ready).copied(),
            true => self.entries.keys().rev().find(ready).copied(),
        };
        let Some(position) = position else {
            return Err(self.entries.values().map(due).min());
        };
        let behind = self.entries.len() as u64 - 1;
        let Some(entry) = self.entries.get_mut(&position) else { return Err(None) };
        self.last_delivery += 1;
        self.deliveries += 1;
        entry.deliveries += 1;
        let delivery = self.last_delivery;
        entry.state = State::InHand { delivery, until: now + self.deadline };
        let message = entry.message.clone();
        let message = message.with_delivery_count(entry.deliveries).with_behind(behind);
        Ok(Taken { position, delivery, message })
    }

    /// Settles a message. A verdict about an earlier delivery is noted, and counts for the newer one, as it does
    /// with real brokers.
    pub(super) fn settle(&mut self, position: u64, delivery: u64, verdict: &Verdict) {
        let Some(entry) = self.entries.get_mut(&position) else { return };
        let is_stale =
            !matches!(entry.state, State::InHand { delivery: now, .. } if now == delivery);
        if is_stale {
            self.stale.push((entry.message.id().to_owned(), verdict.clone()));
        }
        let wait = match verdict {
            Verdict::Completed => {
                self.completed.push(entry.message.id().to_owned());
                self.entries.remove(&position);
                return;
            }
            Verdict::Parked { reason, error, attempts } => {
                let (message, reason, error) = (entry.message.clone(), *reason, error.clone());
                self.parked.push(ParkedMessage { message, reason, error, attempts: *attempts });
                if self.lost_settlements == 0 {
                    self.entries.remove(&position);
                }
                return;
            }
            Verdict::Busy { after } | Verdict::Retry { after } => *after,
            Verdict::GivenBack => Duration::ZERO,
            Verdict::Left => return,
        };
        entry.state = State::Ready { at: Instant::now() + wait };
    }

    /// Starts the deadline anew.
    pub(super) fn keep_alive(&mut self, position: u64, delivery: u64) {
        let deadline = self.deadline;
        if let Some(Entry { state: State::InHand { delivery: now, until }, .. }) =
            self.entries.get_mut(&position)
        {
            if *now == delivery {
                *until = Instant::now() + deadline;
            }
        }
    }

    /// Delivers messages again at once, although they are in hand: all, or those with an id.
    pub(super) fn deliver_again(&mut self, id: Option<&str>) {
        for entry in self.entries.values_mut() {
            if id.is_none_or(|id| entry.message.id() == id) {
                entry.state = State::Ready { at: Instant::now() };
            }
        }
    }
}
