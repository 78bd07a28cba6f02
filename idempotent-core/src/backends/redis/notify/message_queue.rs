//! Messages that wait to be published: in order, in batches, and never more than so many.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::message::Message;

/// How many messages may wait. More are dropped, which costs their waiters a poll.
const MAX_MESSAGES: usize = 4096;

/// How many messages are published in one round trip.
const BATCH: usize = 256;

/// The messages of one store, and whether a task is publishing them.
#[derive(Default)]
pub(super) struct MessageQueue(Mutex<State>);

#[derive(Default)]
struct State {
    messages: VecDeque<Message>,
    has_task: bool,
}

impl MessageQueue {
    /// Adds a message. Returns whether the caller must start a task.
    pub(super) fn push(&self, message: Message) -> bool {
        let mut state = self.lock();
        if state.messages.len() < MAX_MESSAGES {
            state.messages.push_back(message);
        }
        !std::mem::replace(&mut state.has_task, true)
    }

    /// The next messages; `None` if there are none, and then the task must end.
    pub(super) fn take_batch(&self) -> Option<Vec<Message>> {
        let mut state = self.lock();
        let batch = state.messages.len().min(BATCH);
        state.has_task = batch > 0;
        (batch > 0).then(|| state.messages.drain(..batch).collect())
    }

    /// The task ended before the queue was empty; the next message needs another.
    pub(super) fn task_ended(&self) {
        self.lock().has_task = false;
    }

    pub(super) fn has_task(&self) -> bool {
        self.lock().has_task
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_in_their_order_and_in_batches() {
        let queue = MessageQueue::default();
        assert!(queue.push(Message::Hello), "the first message needs a task");
        for n in 0..BATCH {
            assert!(!queue.push(Message::Done([n as u8; 32])));
        }
        let batch = queue.take_batch().unwrap();
        assert_eq!((batch.len(), batch[0]), (BATCH, Message::Hello));
        assert_eq!(queue.take_batch().unwrap(), [Message::Done([(BATCH - 1) as u8; 32])]);
        assert!(queue.take_batch().is_none());
        assert!(queue.push(Message::Hello), "the task is gone");
    }

    #[test]
    fn what_cannot_be_sent_does_not_pile_up() {
        let queue = MessageQueue::default();
        let needed = (0..3 * MAX_MESSAGES).filter(|_| queue.push(Message::Hello)).count();
        assert_eq!(needed, 1, "one task is enough");
        assert_eq!(queue.lock().messages.len(), MAX_MESSAGES);
    }
}
