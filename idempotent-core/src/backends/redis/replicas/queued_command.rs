//! A command in the queue of a node writer, and the answer that its caller gets.

use redis::{Arg, Cmd, RedisError, Value};
use tokio::sync::{OwnedSemaphorePermit, oneshot};

/// Whether an answer says that the command wrote something that replicas must have. Only such answers
/// wait for them.
pub(in crate::backends::redis) type NeedsReplicas = fn(&Value) -> bool;

/// Why a command failed.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// It was not sent.
    Unsent(RedisError),
    /// It may have been executed.
    Lost(RedisError),
    /// The server did not execute it.
    Refused(RedisError),
    /// It was executed, and too few replicas have it.
    TooFewReplicas(RedisError),
}

/// A command, and its caller.
pub(super) struct QueuedCommand {
    pub(super) command: Cmd,
    pub(super) caller: Caller,
}

/// Who waits for the answer to a command.
pub(super) struct Caller {
    pub(super) needs_replicas: NeedsReplicas,
    /// Whether `ASKING` must precede the command: another server sent it here, for this once.
    pub(super) is_asking: bool,
    answer: oneshot::Sender<Result<Value, Failure>>,
    /// Bounds how many commands are queued or in flight.
    _permit: Option<OwnedSemaphorePermit>,
}

impl QueuedCommand {
    pub(super) fn new(
        command: Cmd,
        needs_replicas: NeedsReplicas,
        is_asking: bool,
        permit: Option<OwnedSemaphorePermit>,
    ) -> (Self, oneshot::Receiver<Result<Value, Failure>>) {
        let (answer, receiver) = oneshot::channel();
        let caller = Caller { needs_replicas, is_asking, answer, _permit: permit };
        (Self { command, caller }, receiver)
    }

    pub(super) fn bytes(&self) -> usize {
        let length =
            |argument: Arg<&[u8]>| if let Arg::Simple(bytes) = argument { bytes.len() } else { 0 };
        self.command.args_iter().map(length).sum()
    }
}

impl Caller {
    /// Whether the caller does not wait any more.
    pub(super) fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    pub(super) fn answer(self, answer: Result<Value, Failure>) {
        // Fails if the caller is gone.
        let _ = self.answer.send(answer);
    }
}
