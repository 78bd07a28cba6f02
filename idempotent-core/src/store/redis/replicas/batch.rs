//! One batch: commands, one `WAIT`, and what the answers to both mean for each command.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, Value};
use tokio::time::timeout;

use super::lane::{Failure, Queued, Waiting};
use super::{Need, Promise};
use crate::store::redis::error::{is_demoted, timed_out, too_few, unexpected};
use crate::store::redis::look::millis;

/// How a batch went, for the lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// Enough replicas have it.
    Well,
    /// Too few replicas have it in time.
    Short,
    /// The connection leads nowhere, or to a server that is no primary.
    Astray,
}

/// Sends a batch, and answers each of its commands.
///
/// Commands and `WAIT` are one message on one connection, so that it can count neither more nor
/// less than what they wrote.
pub(super) async fn send(
    connection: &mut MultiplexedConnection,
    batch: Vec<Queued>,
    need: Need,
    response: Duration,
) -> Went {
    let mut pipeline = Pipeline::with_capacity(batch.len() + 1);
    let mut waiting = Vec::with_capacity(batch.len());
    for queued in batch {
        if queued.waiting.is_asking {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(queued.command);
        waiting.push(queued.waiting);
    }
    pipeline.cmd("WAIT").arg(need.replicas).arg(millis(need.within));
    let answer = connection.req_packed_commands(&pipeline, 0, pipeline.len());
    let limit = response.saturating_add(need.within);
    match timeout(limit, answer).await.unwrap_or_else(|_| Err(timed_out())) {
        Ok(answers) if answers.len() == pipeline.len() => deal(answers, waiting, need),
        Ok(_) => lost(waiting, &incomplete()),
        Err(error) => lost(waiting, &error),
    }
}

/// Gives everybody their answer.
fn deal(mut answers: Vec<Value>, waiting: Vec<Waiting>, need: Need) -> Went {
    let (mut went, shortage) = match acknowledged(answers.pop().unwrap_or_default(), need) {
        Ok(()) => (Went::Well, None),
        Err(Failure::Short(error)) => (Went::Short, Some(Failure::Short(error))),
        Err(failure) => (Went::Astray, Some(failure)),
    };
    let mut answers = answers.into_iter();
    for one in waiting {
        if one.is_asking {
            // Whether it was let in shows in the answer to its command.
            answers.next();
        }
        let answer = answers.next().unwrap_or_default().extract_error();
        if answer.as_ref().is_err_and(is_demoted) {
            went = Went::Astray;
        }
        let worth = judged(answer, one.promise, shortage.as_ref());
        one.tell(worth);
    }
    went
}

/// What an answer is worth: one that promises something, what the replicas have of it.
fn judged(
    answer: RedisResult<Value>,
    promise: Promise,
    shortage: Option<&Failure>,
) -> Result<Value, Failure> {
    let value = answer.map_err(Failure::Refused)?;
    match shortage {
        Some(shortage) if promise(&value) => Err(shortage.clone()),
        _ => Ok(value),
    }
}

/// What `WAIT` says. A server that is no primary any more lets nobody wait: what was written there
/// before may be lost, and may not.
fn acknowledged(answer: Value, need: Need) -> Result<(), Failure> {
    match answer.extract_error() {
        Ok(Value::Int(replicas)) => {
            let replicas = usize::try_from(replicas).unwrap_or(0);
            if replicas >= need.replicas {
                return Ok(());
            }
            Err(Failure::Short(too_few(replicas, need.replicas, need.within)))
        }
        Ok(other) => Err(Failure::Lost(unexpected(&other))),
        Err(error) => Err(Failure::Lost(error)),
    }
}

fn lost(waiting: Vec<Waiting>, error: &RedisError) -> Went {
    for one in waiting {
        one.tell(Err(Failure::Lost(error.clone())));
    }
    Went::Astray
}

fn incomplete() -> RedisError {
    (ErrorKind::UnexpectedReturnType, "redis left out answers").into()
}

#[cfg(test)]
mod tests {
    use redis::Cmd;

    use super::*;

    const NEED: Need = Need { replicas: 2, within: Duration::from_millis(500) };

    fn error(code: &str, detail: &str) -> Value {
        let error = redis::make_extension_error(code.to_owned(), Some(detail.to_owned()));
        Value::ServerError(redis::ServerError::try_from(error).unwrap())
    }

    /// What the callers of a batch with these answers are told.
    fn told(answers: Vec<Value>, asking: &[bool]) -> (Went, Vec<Result<Value, Failure>>) {
        let is_promise: Promise = |value| *value == Value::Okay;
        let (waiting, mut receivers): (Vec<_>, Vec<_>) = asking
            .iter()
            .map(|asking| {
                let (queued, answer) = Queued::new(Cmd::new(), is_promise, *asking, None);
                (queued.waiting, answer)
            })
            .unzip();
        let went = deal(answers, waiting, NEED);
        (went, receivers.iter_mut().map(|answer| answer.try_recv().unwrap()).collect())
    }

    #[test]
    fn promises_are_kept_when_enough_replicas_have_them() {
        let (went, told) = told(vec![Value::Okay, Value::Nil, Value::Int(2)], &[false, false]);
        assert_eq!(went, Went::Well);
        assert!(matches!(told[0], Ok(Value::Okay)) && matches!(told[1], Ok(Value::Nil)));
    }

    #[test]
    fn too_few_replicas_break_promises_and_nothing_else() {
        let (went, told) = told(vec![Value::Okay, Value::Nil, Value::Int(1)], &[false, false]);
        assert_eq!(went, Went::Short);
        let Err(Failure::Short(short)) = &told[0] else { panic!("{:?}", told[0]) };
        assert_eq!(short.detail(), Some("1 of 2 replicas acknowledged within 500 ms"));
        assert!(matches!(told[1], Ok(Value::Nil)));
    }

    #[test]
    fn a_server_that_lets_nobody_wait_loses_promises() {
        let unblocked = error("UNBLOCKED", "force unblock from blocking operation");
        let (went, told) = told(vec![Value::Okay, unblocked], &[false]);
        assert_eq!(went, Went::Astray);
        assert!(matches!(told[0], Err(Failure::Lost(_))), "{:?}", told[0]);
    }

    #[test]
    fn an_error_is_that_of_its_own_command() {
        let moved = error("MOVED", "1 127.0.0.1:7001");
        let (went, told) = told(vec![moved, Value::Okay, Value::Int(3)], &[false, false]);
        assert_eq!(went, Went::Well);
        assert!(matches!(told[0], Err(Failure::Refused(_))), "{:?}", told[0]);
        assert!(matches!(told[1], Ok(Value::Okay)));
    }

    #[test]
    fn a_demoted_server_is_left() {
        let readonly = error("READONLY", "You can't write against a read only replica.");
        let (went, _) = told(vec![readonly, Value::Int(2)], &[false]);
        assert_eq!(went, Went::Astray);
    }

    #[test]
    fn whoever_asks_has_the_answer_to_the_command_and_not_to_the_asking() {
        let answers = vec![Value::Okay, Value::Int(7), Value::Nil, Value::Int(2)];
        let (_, told) = told(answers, &[true, false]);
        assert!(matches!(told[0], Ok(Value::Int(7))) && matches!(told[1], Ok(Value::Nil)));
    }
}
