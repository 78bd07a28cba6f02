//! [`Ordering`]: messages of one ordering key run one after the other.
//!
//! It knows the messages of this run of a consumer, in the order in which they were received first. One that is told to come
//! again keeps its place, so that none of its key overtakes it meanwhile.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::message::Message;
use super::verdict::Verdict;

/// How long a message waits at least that comes before its turn.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// How long one waits at most, so that it comes soon after its turn has come. As many deliveries does a stuck key cost.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long it waits at least if too many wait in hand.
const A_WHILE: Duration = Duration::from_secs(1);
/// Once a key has not moved for so long, only its next message waits in hand: those behind it would take the others' room.
const SLOW: Duration = Duration::from_secs(1);
/// And after so long that one does not either.
const STUCK: Duration = Duration::from_secs(10);
/// For how long a message that was told to come again keeps its place at most, after its pause and what its broker takes to
/// notice that. Another worker may have it.
const LONGEST_GRACE: Duration = Duration::from_secs(10);
/// Where the broker has no deadline: for how long a message keeps its place of which nobody knows what the broker was told.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longer than any process runs.
const FAR_AWAY: Duration = Duration::from_secs(86_400 * 365 * 30);
/// After so many messages the keys are looked through for those of which nobody hears any more.
const SWEEP_EVERY: u32 = 1024;

/// The messages of each key that are not settled.
pub(super) struct Ordering {
    keys: Mutex<Keys>,
    changed: Notify,
    /// How many may wait for their turn in hand.
    most_waiting: usize,
    grace: Duration,
    /// When a message comes again of which the broker was told nothing.
    deadline: Duration,
}

#[derive(Default)]
struct Keys {
    by_name: HashMap<String, Line>,
    waiting: usize,
    entered: u32,
}

/// The messages of a key, in the order of their first receipts.
struct Line {
    seen: Vec<Seen>,
    /// When it has moved last: the longer it is stuck, the more rarely its messages come.
    moved: Instant,
}

/// A message that was received.
struct Seen {
    position: String,
    /// How many deliveries of it are in hand: brokers may deliver it again meanwhile.
    in_hand: u32,
    /// When it comes again, as far as the broker was told.
    comes_again: Option<Instant>,
}

/// A message's place among those of its key, for one delivery.
pub(super) struct Place {
    ordering: Arc<Ordering>,
    key: String,
    position: String,
    has_left: bool,
}

/// That what makes a message's key panicked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unplaceable;

/// Whether it is a message's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Now,
    /// Not before this is over.
    After(Duration),
}

enum Look {
    Now,
    After(Duration),
    /// In hand, if there is room, or else for so long.
    Wait(Duration),
}

/// What becomes of a place when its delivery has ended.
enum Leaving {
    /// The message is settled.
    Settled,
    /// It comes again at that time.
    ComesAgain(Instant),
    /// Another worker may have it at once.
    GivenBack,
}

/// That a message waits in hand.
struct Waiting<'a>(&'a Ordering);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.keys().waiting -= 1;
    }
}

impl Seen {
    /// Whether it may still be waited for.
    fn is_expected(&self, now: Instant, grace: Duration) -> bool {
        self.in_hand > 0 || self.comes_again.is_some_and(|at| at + grace > now)
    }
}

impl Ordering {
    /// For so many messages in hand, of a broker with this deadline, which delivers so much later than it is told.
    pub(super) fn new(concurrency: usize, deadline: Option<Duration>, lateness: Duration) -> Self {
        let grace = deadline.unwrap_or(LONGEST_GRACE).min(LONGEST_GRACE);
        Self {
            keys: Mutex::default(),
            changed: Notify::new(),
            most_waiting: concurrency / 2,
            grace: grace.saturating_add(lateness.saturating_mul(2)).min(FAR_AWAY),
            deadline: deadline.unwrap_or(PATIENCE).min(FAR_AWAY),
        }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a message that is received now its place.
    pub(super) fn enter(self: &Arc<Self>, message: &Message, key: String) -> Place {
        let (position, now) = (message.position().to_owned(), Instant::now());
        let mut keys = self.keys();
        keys.entered = keys.entered.wrapping_add(1);
        if keys.entered % SWEEP_EVERY == 0 {
            keys.sweep(now, self.grace);
        }
        let line = keys.by_name.entry(key.clone());
        let line = line.or_insert_with(|| Line { seen: Vec::new(), moved: now });
        match line.seen.iter_mut().find(|seen| seen.position == position) {
            Some(known) => known.in_hand += 1,
            None => {
                line.seen.push(Seen { position: position.clone(), in_hand: 1, comes_again: None });
            }
        }
        drop(keys);
        Place { ordering: Arc::clone(self), key, position, has_left: false }
    }
}

impl Keys {
    /// Forgets the messages that come no more, it seems: another worker has them.
    fn sweep(&mut self, now: Instant, grace: Duration) {
        self.by_name.retain(|_, line| {
            line.seen.retain(|seen| seen.is_expected(now, grace));
            !line.seen.is_empty()
        });
    }
}

impl Place {
    /// Waits until it is the message's turn, or says when it may be.
    pub(super) async fn turn(&self) -> Turn {
        let ordering = &*self.ordering;
        let mut waiting = None;
        loop {
            let mut changed = std::pin::pin!(ordering.changed.notified());
            changed.as_mut().enable();
            match self.look() {
                Look::Now => return Turn::Now,
                Look::After(pause) => return Turn::After(pause),
                Look::Wait(pause) if waiting.is_none() => {
                    let mut keys = ordering.keys();
                    if keys.waiting >= ordering.most_waiting {
                        return Turn::After(pause);
                    }
                    keys.waiting += 1;
                    drop(keys);
                    waiting = Some(Waiting(ordering));
                }
                Look::Wait(_) => {}
            }
            // Those that nobody hears of any more lose their places without a change.
            let _ = timeout(A_WHILE, changed).await;
        }
    }

    fn look(&self) -> Look {
        let (now, grace) = (Instant::now(), self.ordering.grace);
        let mut keys = self.ordering.keys();
        let Some(line) = keys.by_name.get_mut(&self.key) else { return Look::Now };
        line.seen.retain(|seen| seen.is_expected(now, grace));
        let ahead = line.seen.iter().take_while(|seen| seen.position != self.position);
        let (mut before, mut comes_again) = (0, None::<Instant>);
        for seen in ahead {
            before += 1;
            // What is in hand may end at any time.
            comes_again = comes_again.max(seen.comes_again.filter(|_| seen.in_hand == 0));
        }
        match (before, comes_again) {
            (0, _) => Look::Now,
            (_, Some(at)) => {
                let pause = at.saturating_duration_since(now);
                Look::After(pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE))
            }
            (_, None) => {
                let stuck = now.saturating_duration_since(line.moved);
                let pause = stuck.clamp(A_WHILE, LONGEST_PAUSE);
                match stuck < if before == 1 { STUCK } else { SLOW } {
                    true => Look::Wait(pause),
                    false => Look::After(pause),
                }
            }
        }
    }

    /// Leaves the place, or keeps it if the message comes again: for this verdict, which the broker has confirmed or not.
    pub(super) fn settled(mut self, verdict: &Verdict, confirmed: bool) {
        let now = Instant::now();
        let leaving = match verdict {
            // Unconfirmed, it comes again, and its handler does not run.
            Verdict::Completed | Verdict::Parked { .. } => Leaving::Settled,
            Verdict::Retry { after } | Verdict::Busy { after } if confirmed => {
                Leaving::ComesAgain(now + (*after).min(FAR_AWAY))
            }
            Verdict::GivenBack if confirmed => Leaving::GivenBack,
            // The broker goes by its deadline, or did hear of it.
            Verdict::Retry { after } | Verdict::Busy { after } => {
                Leaving::ComesAgain(now + (*after).clamp(self.ordering.deadline, FAR_AWAY))
            }
            _ => Leaving::ComesAgain(now + self.ordering.deadline),
        };
        self.leave(&leaving);
    }

    fn leave(&mut self, leaving: &Leaving) {
        self.has_left = true;
        let mut keys = self.ordering.keys();
        let Some(line) = keys.by_name.get_mut(&self.key) else { return };
        let Some(at) = line.seen.iter().position(|seen| seen.position == self.position) else {
            return;
        };
        let seen = &mut line.seen[at];
        seen.in_hand = seen.in_hand.saturating_sub(1);
        match leaving {
            Leaving::Settled => seen.comes_again = None,
            Leaving::ComesAgain(again) => seen.comes_again = Some(*again),
            Leaving::GivenBack => {}
        }
        if seen.in_hand == 0 && seen.comes_again.is_none() {
            line.seen.remove(at);
            line.moved = Instant::now();
        }
        if line.seen.is_empty() {
            keys.by_name.remove(&self.key);
        }
        drop(keys);
        self.ordering.changed.notify_waiters();
    }
}

impl Drop for Place {
    /// Its task has panicked, or was dropped, so the broker was told nothing.
    fn drop(&mut self) {
        if !self.has_left {
            self.leave(&Leaving::ComesAgain(Instant::now() + self.ordering.deadline));
        }
    }
}
