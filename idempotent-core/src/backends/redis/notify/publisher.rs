//! Publishes messages, in the background and in order, or at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::{Cmd, Pipeline, RedisError, RedisResult, Value};
use tokio::runtime::Handle;
use tokio::sync::Notify;

use super::message::{Message, Origin};
use super::message_queue::MessageQueue;
use crate::backends::redis::background_tasks::BackgroundTasks;
use crate::backends::redis::connection::{Client, Retry};
use crate::model::Token;

/// The channel of a store, and the messages to be published on it.
pub(super) struct Publisher {
    client: Arc<Client>,
    tasks: Arc<BackgroundTasks>,
    channel: Arc<str>,
    origin: Origin,
    queue: MessageQueue,
    task_ended: Notify,
    has_warned: AtomicBool,
}

/// Publishes what is in the queue.
struct Task {
    publisher: Arc<Publisher>,
    /// The queue was empty, and the next message starts another task.
    is_done: bool,
}

impl Publisher {
    pub(super) fn new(client: Arc<Client>, tasks: Arc<BackgroundTasks>, prefix: &str) -> Self {
        let [origin @ .., _, _, _, _, _, _, _, _] = *Token::random().as_bytes();
        Self {
            client,
            tasks,
            channel: format!("{prefix}wake").into(),
            origin,
            queue: MessageQueue::default(),
            task_ended: Notify::new(),
            has_warned: AtomicBool::new(false),
        }
    }

    pub(super) const fn client(&self) -> &Arc<Client> {
        &self.client
    }

    pub(super) const fn tasks(&self) -> &Arc<BackgroundTasks> {
        &self.tasks
    }

    pub(super) const fn channel(&self) -> &Arc<str> {
        &self.channel
    }

    /// Who publishes here.
    pub(super) const fn origin(&self) -> Origin {
        self.origin
    }

    /// Publishes a message in the background. Outside of a runtime it is dropped.
    pub(super) fn publish_later(self: &Arc<Self>, message: Message) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.queue.push(message) {
            let task = Task { publisher: Arc::clone(self), is_done: false };
            self.tasks.spawn(&runtime, task.run());
        }
    }

    /// Publishes a message. A user without permission for the channel publishes nothing, which is no
    /// error.
    pub(super) async fn publish(&self, message: Message) -> RedisResult<()> {
        match self.client.send(&self.channel, &self.command(message), Retry::Once).await {
            Err(error) if error.code() == Some("NOPERM") => {
                self.report_failure(&error);
                Ok(())
            }
            answer => answer.map(drop),
        }
    }

    /// Waits until the queue is empty.
    pub(super) async fn flush(&self) {
        loop {
            let task_ended = self.task_ended.notified();
            if !self.queue.has_task() {
                return;
            }
            task_ended.await;
        }
    }

    fn command(&self, message: Message) -> Cmd {
        let mut command = Cmd::new();
        command.arg("SPUBLISH").arg(&*self.channel).arg(message.encode(self.origin));
        command
    }

    async fn publish_all(&self, messages: Vec<Message>) -> RedisResult<()> {
        let mut commands = Pipeline::with_capacity(messages.len());
        for message in messages {
            commands.add_command(self.command(message));
        }
        let answers = self.client.send_all(&self.channel, &commands).await?;
        answers.into_iter().try_for_each(|answer: Value| answer.extract_error().map(drop))
    }

    fn report_failure(&self, error: &RedisError) {
        if error.code() != Some("NOPERM") {
            tracing::debug!(
                channel = &*self.channel,
                code = error.code(),
                "cannot publish on the store's channel"
            );
        } else if !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                channel = &*self.channel,
                "the redis user may not publish on the store's channel: waiters in other processes \
                 find out by polling that a call has ended, and near caches there do not hear of \
                 purges; grant it with ACL SETUSER"
            );
        }
    }
}

impl Task {
    async fn run(mut self) {
        while let Some(messages) = self.publisher.queue.take_batch() {
            if let Err(error) = self.publisher.publish_all(messages).await {
                self.publisher.report_failure(&error);
            }
        }
        self.is_done = true;
    }
}

impl Drop for Task {
    /// The task may end with its runtime before the queue is empty.
    fn drop(&mut self) {
        if !self.is_done {
            self.publisher.queue.task_ended();
        }
        self.publisher.task_ended.notify_waiters();
    }
}
