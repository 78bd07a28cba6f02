//! [`Ordering`]: messages of one ordering key run one after the other.
//!
//! It knows the messages of this run of a consumer, in the order in which they were received first. One that is told to come
//! again keeps its place, so that none of its key overtakes it meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use super::message::Message;
use super::verdict::Verdict;

/// How long a message waits at least that comes before its turn.
const SHORTEST_PAUSE: Duration = Duration::from_millis(250);
/// How long it waits if too many wait in hand.
const A_WHILE: Duration = Duration::from_secs(1);
/// For how long a message that was told to come again keeps its place at most, after its pause. Another worker may have it.
const LONGEST_GRACE: Duration = Duration::from_secs(10);

/// The messages of each key that are not settled.
pub(super) struct Ordering {
    keys: Mutex<Keys>,
    changed: Notify,
    /// How many may wait for their turn in hand.
    most_waiting: usize,
    grace: Duration,
}

#[derive(Default)]
struct Keys {
    seen: HashMap<String, Vec<Seen>>,
    waiting: usize,
}

/// A message that was received.
struct Seen {
    position: String,
    /// When it may come again; `None` while it is in hand.
    comes_again: Option<Instant>,
}

/// A message's place among those of its key.
pub(super) struct Place {
    ordering: Arc<Ordering>,
    key: String,
    position: String,
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
    Wait,
}

/// That a message waits in hand.
struct Waiting<'a>(&'a Ordering);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.keys().waiting -= 1;
    }
}

impl Ordering {
    /// For so many messages in hand, of a broker with this deadline.
    pub(super) fn new(concurrency: usize, deadline: Option<Duration>) -> Self {
        let grace = deadline.unwrap_or(LONGEST_GRACE).min(LONGEST_GRACE);
        let most_waiting = concurrency / 2;
        Self { keys: Mutex::default(), changed: Notify::new(), most_waiting, grace }
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a message that is received now its place.
    pub(super) fn enter(self: &Arc<Self>, message: &Message, key: String) -> Place {
        let position = message.position().to_owned();
        let mut keys = self.keys();
        let seen = keys.seen.entry(key.clone()).or_default();
        match seen.iter_mut().find(|seen| seen.position == position) {
            Some(known) => known.comes_again = None,
            None => seen.push(Seen { position: position.clone(), comes_again: None }),
        }
        drop(keys);
        Place { ordering: Arc::clone(self), key, position }
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
                Look::Wait if waiting.is_none() => {
                    let mut keys = ordering.keys();
                    if keys.waiting >= ordering.most_waiting {
                        return Turn::After(A_WHILE);
                    }
                    keys.waiting += 1;
                    drop(keys);
                    waiting = Some(Waiting(ordering));
                }
                Look::Wait => {}
            }
            // Those that nobody hears of any more lose their places without a change.
            let _ = timeout(A_WHILE, changed).await;
        }
    }

    fn look(&self) -> Look {
        let (now, grace) = (Instant::now(), self.ordering.grace);
        let mut keys = self.ordering.keys();
        let Some(seen) = keys.seen.get_mut(&self.key) else { return Look::Now };
        seen.retain(|seen| seen.comes_again.is_none_or(|at| at + grace > now));
        let ahead = seen.iter().take_while(|seen| seen.position != self.position);
        let (mut is_first, mut comes_again) = (true, None::<Instant>);
        for seen in ahead {
            is_first = false;
            comes_again = comes_again.max(seen.comes_again);
        }
        match (is_first, comes_again) {
            (true, _) => Look::Now,
            (false, Some(at)) => Look::After((at - now).max(SHORTEST_PAUSE)),
            (false, None) => Look::Wait,
        }
    }

    /// Leaves the place, or keeps it if the message comes again.
    pub(super) fn settled(self, verdict: &Verdict) {
        let mut keys = self.ordering.keys();
        if let Some(seen) = keys.seen.get_mut(&self.key) {
            match verdict {
                Verdict::Retry { after } | Verdict::Busy { after } => {
                    let at = Instant::now().checked_add(*after);
                    let mut ours = seen.iter_mut().filter(|seen| seen.position == self.position);
                    if let Some(ours) = ours.next() {
                        ours.comes_again = at;
                    }
                }
                // Another worker may have it at once.
                _ => seen.retain(|seen| seen.position != self.position),
            }
            if seen.is_empty() {
                keys.seen.remove(&self.key);
            }
        }
        drop(keys);
        self.ordering.changed.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn enter(ordering: &Arc<Ordering>, position: &str) -> Place {
        ordering.enter(&Message::new(position, "orders", ""), "key".to_owned())
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_comes_again_keeps_its_place_until_it_is_due_for_long() {
        let ordering = Arc::new(Ordering::new(8, Some(SECOND * 4)));
        let first = enter(&ordering, "1");
        assert_eq!(first.turn().await, Turn::Now);
        first.settled(&Verdict::Retry { after: SECOND * 5 });
        let second = enter(&ordering, "2");
        assert_eq!(second.turn().await, Turn::After(SECOND * 5));
        second.settled(&Verdict::Busy { after: SECOND * 5 });
        tokio::time::advance(SECOND * 6).await;
        assert_eq!(enter(&ordering, "2").turn().await, Turn::After(SHORTEST_PAUSE));
        assert_eq!(enter(&ordering, "1").turn().await, Turn::Now);
        enter(&ordering, "1").settled(&Verdict::Completed);
        assert_eq!(enter(&ordering, "2").turn().await, Turn::Now);
        enter(&ordering, "2").settled(&Verdict::Retry { after: SECOND });
        // Another worker has it, it seems.
        tokio::time::advance(SECOND * 6).await;
        assert_eq!(enter(&ordering, "3").turn().await, Turn::Now);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_wait_in_hand_than_half_of_what_may_be_there() {
        let ordering = Arc::new(Ordering::new(4, None));
        let places: Vec<_> = ["1", "2", "3", "4"].map(|it| enter(&ordering, it)).into();
        let turns = places.iter().skip(1).map(|place| timeout(SECOND / 2, place.turn()));
        let turns = futures_util::future::join_all(turns).await;
        assert!(turns[0].is_err() && turns[1].is_err());
        assert_eq!(turns[2], Ok(Turn::After(A_WHILE)));
        assert_eq!(ordering.keys().waiting, 0);
    }

    #[test]
    fn nothing_is_kept_of_keys_whose_messages_are_settled() {
        let ordering = Arc::new(Ordering::new(4, None));
        enter(&ordering, "1").settled(&Verdict::Completed);
        assert!(ordering.keys().seen.is_empty());
    }
}
