//! Sends a batch: several commands and one `WAIT`. The answers to both decide what each caller gets.

use std::time::Duration;

use redis::aio::{ConnectionLike, MultiplexedConnection};
use redis::{ErrorKind, Pipeline, RedisError, RedisResult, Value};
use tokio::time::timeout;

use super::min_replicas::MinReplicas;
use super::queued_command::{Caller, Failure, NeedsReplicas, QueuedCommand};
use crate::backends::redis::error::{is_demoted, timed_out, too_few_replicas, unexpected};
use crate::backends::redis::lifetime::millis;

/// How a batch ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BatchOutcome {
    /// Enough replicas have it.
    Replicated,
    /// Too few replicas had it in time.
    TooFewReplicas,
    /// The connection is lost, or leads to a server that is not the primary.
    LostPrimary,
}

/// Sends a batch, and answers every caller.
///
/// The commands and `WAIT` are one message on one connection, so that `WAIT` counts exactly what they
/// wrote.
pub(super) async fn send(
    connection: &mut MultiplexedConnection,
    batch: Vec<QueuedCommand>,
    min_replicas: MinReplicas,
    response_timeout: Duration,
) -> BatchOutcome {
    let mut pipeline = Pipeline::with_capacity(batch.len() + 1);
    let mut callers = Vec::with_capacity(batch.len());
    for queued in batch {
        if queued.caller.is_asking {
            pipeline.cmd("ASKING");
        }
        pipeline.add_command(queued.command);
        callers.push(queued.caller);
    }
    pipeline.cmd("WAIT").arg(min_replicas.count).arg(millis(min_replicas.timeout));
    let answers = connection.req_packed_commands(&pipeline, 0, pipeline.len());
    let limit = response_timeout.saturating_add(min_replicas.timeout);
    match timeout(limit, answers).await.unwrap_or_else(|_| Err(timed_out())) {
        Ok(answers) if answers.len() == pipeline.len() => {
            answer_all(answers, callers, min_replicas)
        }
        Ok(_) => fail_all(callers, &missing_answers()),
        Err(error) => fail_all(callers, &error),
    }
}

/// Answers every caller.
fn answer_all(
    mut answers: Vec<Value>,
    callers: Vec<Caller>,
    min_replicas: MinReplicas,
) -> BatchOutcome {
    let wait = check_wait(answers.pop().unwrap_or_default(), min_replicas);
    let (mut outcome, failure) = match wait {
        Ok(()) => (BatchOutcome::Replicated, None),
        Err(failure @ Failure::TooFewReplicas(_)) => (BatchOutcome::TooFewReplicas, Some(failure)),
        Err(failure) => (BatchOutcome::LostPrimary, Some(failure)),
    };
    let mut answers = answers.into_iter();
    for caller in callers {
        if caller.is_asking {
            // The answer to `ASKING`. If it was refused, the next answer shows it.
            answers.next();
        }
        let answer = answers.next().unwrap_or_default().extract_error();
        if answer.as_ref().is_err_and(is_demoted) {
            outcome = BatchOutcome::LostPrimary;
        }
        let answer = unless_unreplicated(answer, caller.needs_replicas, failure.as_ref());
        caller.answer(answer);
    }
    outcome
}

/// An answer counts if it needs no replicas, or if enough of them have what was written.
fn unless_unreplicated(
    answer: RedisResult<Value>,
    needs_replicas: NeedsReplicas,
    failure: Option<&Failure>,
) -> Result<Value, Failure> {
    let value = answer.map_err(Failure::Refused)?;
    match failure {
        Some(failure) if needs_replicas(&value) => Err(failure.clone()),
        _ => Ok(value),
    }
}

/// Reads the answer to `WAIT`. A server that is not the primary any more refuses it; what was written
/// there before may or may not be lost.
fn check_wait(answer: Value, min_replicas: MinReplicas) -> Result<(), Failure> {
    match answer.extract_error() {
        Ok(Value::Int(replicas)) => {
            let replicas = usize::try_from(replicas).unwrap_or(0);
            if replicas >= min_replicas.count {
                return Ok(());
            }
            let MinReplicas { count, timeout } = min_replicas;
            Err(Failure::TooFewReplicas(too_few_replicas(replicas, count, timeout)))
        }
        Ok(other) => Err(Failure::Lost(unexpected(&other))),
        Err(error) => Err(Failure::Lost(error)),
    }
}

fn fail_all(callers: Vec<Caller>, error: &RedisError) -> BatchOutcome {
    for caller in callers {
        caller.answer(Err(Failure::Lost(error.clone())));
    }
    BatchOutcome::LostPrimary
}

fn missing_answers() -> RedisError {
    (ErrorKind::UnexpectedReturnType, "redis answered only some of the commands of a batch").into()
}

#[cfg(test)]
mod tests {
    use redis::Cmd;

    use super::*;

    const MIN_REPLICAS: MinReplicas = MinReplicas { count: 2, timeout: Duration::from_millis(500) };

    fn error(code: &str, detail: &str) -> Value {
        let error = redis::make_extension_error(code.to_owned(), Some(detail.to_owned()));
        Value::ServerError(redis::ServerError::try_from(error).unwrap())
    }

    /// What the callers of a batch with these answers get.
    fn answered(
        answers: Vec<Value>,
        asking: &[bool],
    ) -> (BatchOutcome, Vec<Result<Value, Failure>>) {
        let needs_replicas: NeedsReplicas = |value| *value == Value::Okay;
        let (callers, mut receivers): (Vec<_>, Vec<_>) = asking
            .iter()
            .map(|asking| {
                let (queued, answer) =
                    QueuedCommand::new(Cmd::new(), needs_replicas, *asking, None);
                (queued.caller, answer)
            })
            .unzip();
        let outcome = answer_all(answers, callers, MIN_REPLICAS);
        (outcome, receivers.iter_mut().map(|answer| answer.try_recv().unwrap()).collect())
    }

    #[test]
    fn an_answer_counts_when_enough_replicas_have_the_write() {
        let (outcome, answers) =
            answered(vec![Value::Okay, Value::Nil, Value::Int(2)], &[false, false]);
        assert_eq!(outcome, BatchOutcome::Replicated);
        assert!(matches!(answers[0], Ok(Value::Okay)) && matches!(answers[1], Ok(Value::Nil)));
    }

    #[test]
    fn too_few_replicas_fail_writes_and_nothing_else() {
        let (outcome, answers) =
            answered(vec![Value::Okay, Value::Nil, Value::Int(1)], &[false, false]);
        assert_eq!(outcome, BatchOutcome::TooFewReplicas);
        let Err(Failure::TooFewReplicas(error)) = &answers[0] else { panic!("{:?}", answers[0]) };
        assert_eq!(error.detail(), Some("1 of 2 replicas acknowledged within 500 ms"));
        assert!(matches!(answers[1], Ok(Value::Nil)));
    }

    #[test]
    fn a_server_that_lets_nobody_wait_loses_writes() {
        let unblocked = error("UNBLOCKED", "force unblock from blocking operation");
        let (outcome, answers) = answered(vec![Value::Okay, unblocked], &[false]);
        assert_eq!(outcome, BatchOutcome::LostPrimary);
        assert!(matches!(answers[0], Err(Failure::Lost(_))), "{:?}", answers[0]);
    }

    #[test]
    fn an_error_is_that_of_its_own_command() {
        let moved = error("MOVED", "1 127.0.0.1:7001");
        let (outcome, answers) = answered(vec![moved, Value::Okay, Value::Int(3)], &[false, false]);
        assert_eq!(outcome, BatchOutcome::Replicated);
        assert!(matches!(answers[0], Err(Failure::Refused(_))), "{:?}", answers[0]);
        assert!(matches!(answers[1], Ok(Value::Okay)));
    }

    #[test]
    fn a_demoted_server_is_left() {
        let readonly = error("READONLY", "You can't write against a read only replica.");
        let (outcome, _) = answered(vec![readonly, Value::Int(2)], &[false]);
        assert_eq!(outcome, BatchOutcome::LostPrimary);
    }

    #[test]
    fn a_redirected_caller_gets_the_answer_to_the_command_and_not_to_asking() {
        let answers = vec![Value::Okay, Value::Int(7), Value::Nil, Value::Int(2)];
        let (_, answers) = answered(answers, &[true, false]);
        assert!(matches!(answers[0], Ok(Value::Int(7))) && matches!(answers[1], Ok(Value::Nil)));
    }
}
