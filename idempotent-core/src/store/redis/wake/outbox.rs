//! Messages on their way out: told and forgotten, in order, in batches, and never more than so many.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redis::{Cmd, Pipeline, RedisResult, Value};
use tokio::runtime::Handle;

use super::Hub;
use super::message::Message;

/// How many messages wait for their turn. What is told beyond that is lost, which costs waiters a
/// poll.
const MOST: usize = 4096;

/// How many messages go in one round trip.
const BATCH: usize = 256;

/// The messages of one store, and whether a task is sending them.
#[derive(Default)]
pub(super) struct Outbox(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    messages: VecDeque<Message>,
    has_sender: bool,
}

/// The task that sends, until it is dropped.
struct Sender {
    hub: Arc<Hub>,
    /// It found nothing left to send, and whoever comes next has another sender.
    is_relieved: bool,
}

/// Tells everybody who listens, in a task of its own. Outside of a runtime nobody is told.
pub(super) fn tell(hub: &Arc<Hub>, message: Message) {
    let Ok(runtime) = Handle::try_current() else {
        return;
    };
    if hub.outbox.put(message) {
        let sender = Sender { hub: Arc::clone(hub), is_relieved: false };
        runtime.spawn(async move { sender.run().await });
    }
}

/// The command that tells it.
pub(super) fn publish(hub: &Hub, message: Message) -> Cmd {
    let mut command = Cmd::new();
    command.arg("SPUBLISH").arg(&*hub.channel).arg(message.encode(hub.origin));
    command
}

impl Outbox {
    /// Says whether a sender is needed.
    fn put(&self, message: Message) -> bool {
        let mut waiting = self.lock();
        if waiting.messages.len() < MOST {
            waiting.messages.push_back(message);
        }
        !std::mem::replace(&mut waiting.has_sender, true)
    }

    /// The next messages; or none, and then the sender is none any more.
    fn take(&self) -> Option<Vec<Message>> {
        let mut waiting = self.lock();
        let batch = waiting.messages.len().min(BATCH);
        waiting.has_sender = batch > 0;
        (batch > 0).then(|| waiting.messages.drain(..batch).collect())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Sender {
    async fn run(mut self) {
        let hub = Arc::clone(&self.hub);
        while let Some(batch) = hub.outbox.take() {
            let mut commands = Pipeline::with_capacity(batch.len());
            for message in batch {
                commands.add_command(publish(&hub, message));
            }
            if let Err(error) = first_refusal(hub.link.read(&hub.channel, &commands).await) {
                hub.could_not_tell(&error);
            }
        }
        self.is_relieved = true;
    }
}

impl Drop for Sender {
    /// When its runtime ends before its work: the next message then finds another.
    fn drop(&mut self) {
        if !self.is_relieved {
            self.hub.outbox.lock().has_sender = false;
        }
    }
}

fn first_refusal(answers: RedisResult<Vec<Value>>) -> RedisResult<()> {
    for answer in answers? {
        answer.extract_error()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_go_in_their_order_and_in_batches() {
        let outbox = Outbox::default();
        assert!(outbox.put(Message::Hello), "the first message needs a sender");
        for n in 0..BATCH {
            assert!(!outbox.put(Message::Done([n as u8; 32])));
        }
        let batch = outbox.take().unwrap();
        assert_eq!((batch.len(), batch[0]), (BATCH, Message::Hello));
        assert_eq!(outbox.take().unwrap(), [Message::Done([(BATCH - 1) as u8; 32])]);
        assert!(outbox.take().is_none());
        assert!(outbox.put(Message::Hello), "the sender is gone");
    }

    #[test]
    fn what_cannot_be_sent_does_not_pile_up() {
        let outbox = Outbox::default();
        let needed = (0..3 * MOST).filter(|_| outbox.put(Message::Hello)).count();
        assert_eq!(needed, 1, "one sender is enough");
        assert_eq!(outbox.lock().messages.len(), MOST);
    }
}
