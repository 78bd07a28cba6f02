//! [`Groups`]: messages that wait for a transaction which they share.
//!
//! The deliveries handle each other's messages: whose turn it is takes those that wait by now, its own among them. So
//! groups are as large as the load makes them, nobody waits for one to fill up, and nothing runs that would outlive the
//! consumer.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{Either, select};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::timeout;

use super::group::{Member, Together};
use super::handler::InboxHandler;
use super::pool::InboxPool;
use crate::consumer::context::{Context, Stage};

/// The most messages that a group may have.
pub(super) const MOST: usize = 50;

/// Messages of one run of a consumer.
pub(super) struct Groups<I> {
    most: usize,
    waiting: Mutex<Waiting<I>>,
    turns: Arc<Semaphore>,
    /// Whether a warning has said why the database refuses groups.
    has_warned: AtomicBool,
}

/// By the ticket that its delivery has.
type Waiter<I> = (u64, Member<I>, oneshot::Sender<Together>);

struct Waiting<I> {
    last_ticket: u64,
    members: VecDeque<Waiter<I>>,
}

/// Whether a message was handled with others.
pub(super) enum Joined {
    Together(Together),
    /// It has to be handled by itself. What it may hold meanwhile keeps others waiting, so that they form a group.
    Alone(Option<OwnedSemaphorePermit>),
}

impl<I> Groups<I> {
    /// Of at most so many messages, and so many of them at once.
    pub(super) fn new(most: usize, at_once: usize) -> Self {
        let waiting = Waiting { last_ticket: 0, members: VecDeque::new() };
        Self {
            most,
            waiting: Mutex::new(waiting),
            turns: Arc::new(Semaphore::new(at_once)),
            has_warned: AtomicBool::new(false),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting<I>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, member: Member<I>) -> (u64, oneshot::Receiver<Together>) {
        let (sender, answer) = oneshot::channel();
        let mut waiting = self.waiting();
        waiting.last_ticket += 1;
        let ticket = waiting.last_ticket;
        waiting.members.push_back((ticket, member, sender));
        (ticket, answer)
    }

    /// Whether it still waited.
    fn leave(&self, ticket: u64) -> bool {
        let mut waiting = self.waiting();
        let at = waiting.members.iter().position(|(known, ..)| *known == ticket);
        at.and_then(|at| waiting.members.remove(at)).is_some()
    }

    /// Those who have waited longest, if this one still waits.
    fn take(&self, ticket: u64) -> Option<Vec<Waiter<I>>> {
        let mut waiting = self.waiting();
        waiting.members.iter().find(|(known, ..)| *known == ticket)?;
        let many = waiting.members.len().min(self.most);
        Some(waiting.members.drain(..many).collect())
    }

    /// Handles a message with others.
    pub(super) async fn join<P, H, A>(
        &self,
        context: &Context,
        (pool, handler): (&P, &H),
        member: Member<I>,
    ) -> Joined
    where
        P: InboxPool,
        H: InboxHandler<P::Database, A, Input = I>,
    {
        let (ticket, mut answer) = self.enter(member);
        let mut stopping = pin!(context.reached(Stage::Stopping));
        loop {
            let turn = pin!(Arc::clone(&self.turns).acquire_owned());
            let turn = match select(&mut answer, select(stopping.as_mut(), turn)).await {
                Either::Left((answered, _)) => return Joined::of(answered),
                Either::Right((Either::Left(_), _)) if self.leave(ticket) => {
                    return Joined::Together(Together::NotStarted);
                }
                // Others handle it.
                Either::Right((Either::Left(_), _)) => return Joined::of(answer.await),
                // It is never closed.
                Either::Right((Either::Right((turn, _)), _)) => turn.ok(),
            };
            let Some(group) = self.take(ticket) else {
                drop(turn);
                return Joined::of(answer.await);
            };
            if let [_] = &group[..] {
                return Joined::Alone(turn);
            }
            let (members, answers): (Vec<_>, Vec<_>) =
                group.into_iter().map(|(_, member, sender)| (member, sender)).unzip();
            let has_warned = &self.has_warned;
            let ended =
                context.handle_together::<P, H, A>(pool, handler, members, has_warned).await;
            for (sender, end) in answers.into_iter().zip(ended) {
                // Its delivery waits for that.
                let _ = sender.send(end);
            }
            drop(turn);
        }
    }
}

impl Joined {
    /// Without an answer, nothing is committed.
    fn of(answered: Result<Together, oneshot::error::RecvError>) -> Self {
        answered.map_or(Self::Alone(None), Self::Together)
    }
}

/// Runs this, which has the turn until it ends, but no longer than for this time.
pub(super) async fn with_turn<T>(
    turn: Option<OwnedSemaphorePermit>,
    longest: Duration,
    running: impl Future<Output = T>,
) -> T {
    let mut running = pin!(running);
    if let Some(turn) = turn {
        if let Ok(ended) = timeout(longest, running.as_mut()).await {
            return ended;
        }
        drop(turn);
    }
    running.await
}

#[cfg(test)]
mod tests {
    use tokio::time::{Instant, sleep};

    use super::*;

    const LONGEST: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn one_that_is_stuck_has_the_turn_no_longer_than_a_group_would() {
        let (turns, start) = (Arc::new(Semaphore::new(1)), Instant::now());
        let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
        let hour = Duration::from_secs(3_600);
        let ended = async {
            with_turn(Some(turn), LONGEST, sleep(hour)).await;
            start.elapsed()
        };
        let turned = async {
            drop(turns.acquire().await.unwrap());
            start.elapsed()
        };
        // It goes on without the turn.
        assert_eq!(tokio::join!(ended, turned), (hour, LONGEST));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_ends_gives_the_turn_back() {
        let (turns, start) = (Arc::new(Semaphore::new(1)), Instant::now());
        let turn = Arc::clone(&turns).acquire_owned().await.unwrap();
        with_turn(Some(turn), LONGEST, sleep(LONGEST / 2)).await;
        assert_eq!((turns.available_permits(), start.elapsed()), (1, LONGEST / 2));
    }
}
