//! The steps of an undisturbed call, by name, and what a repetition finds after a crash at each.

use std::fmt;

use anyhow::{Context as _, Result};
use idempotent_servers::{Halt, Step};

/// A call that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Call {
    /// A transfer that is made.
    Transfer,
    /// A transfer whose body fails after half of its work.
    Declined,
    /// A transfer that was made before.
    Replay,
}

impl Call {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Transfer, Self::Declined, Self::Replay];
}

/// Where a call is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// At the step of that number, from 1.
    Step(u32, Halt),
    /// When its caller has acted on the answer.
    Acknowledged,
}

/// What the same call comes to, made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RepeatOutcome {
    /// Nothing was left of the first one.
    RunsAgain,
    /// The first one's answer.
    Replays,
}

/// What a call sends to the database, in its order.
#[derive(Clone, Debug)]
pub struct CallSteps {
    /// Which call.
    pub call: Call,
    /// The names of its steps and of their messages.
    pub steps: Vec<(&'static str, &'static str)>,
}

impl CallSteps {
    pub(super) fn new(call: Call, steps: &[Step]) -> Result<Self> {
        let named = steps.iter().map(|step| {
            let unknown = || format!("a step that nobody knows: {}", step.statement());
            Ok((name(step.statement()).with_context(unknown)?, step.message()))
        });
        Ok(Self { call, steps: named.collect::<Result<_>>()? })
    }

    /// Each point at which it can be broken.
    pub fn points(&self) -> impl Iterator<Item = Point> {
        let steps = (1..).zip(&self.steps);
        let steps = steps.flat_map(|(number, _)| Halt::ALL.map(|halt| Point::Step(number, halt)));
        steps.chain([Point::Acknowledged])
    }

    /// What a step is for, and its message.
    pub(super) fn step(&self, point: Point) -> Option<(&'static str, &'static str)> {
        let Point::Step(number, _) = point else { return None };
        (1..).zip(&self.steps).find(|(step, _)| *step == number).map(|(_, named)| *named)
    }

    /// What has to come of the call when it is made again: an effect is there from the moment on at
    /// which the server commits it, and not before.
    #[must_use]
    pub fn outcome(&self, point: Point) -> RepeatOutcome {
        let committed = match point {
            Point::Step(_, Halt::Unanswered | Halt::Answered) => {
                self.step(point).is_some_and(|(name, _)| name == "commit")
            }
            Point::Step(_, Halt::Before) => false,
            Point::Acknowledged => true,
        };
        match self.call {
            Call::Transfer if !committed => RepeatOutcome::RunsAgain,
            Call::Declined => RepeatOutcome::RunsAgain,
            Call::Transfer | Call::Replay => RepeatOutcome::Replays,
        }
    }

    /// Each statement with the messages that it is sent in.
    #[must_use]
    pub fn statements(&self) -> Vec<String> {
        let chunks = self.steps.chunk_by(|one, next| one.0 == next.0);
        let text = |chunk: &[(&str, &str)]| {
            let messages: Vec<_> = chunk.iter().map(|(_, message)| *message).collect();
            format!("{}: {}", chunk[0].0, messages.join(" "))
        };
        chunks.map(text).collect()
    }
}

/// What a step is for. Every statement of the call is known here, so that none goes by unseen.
pub(in crate::transfer) fn name(statement: &str) -> Option<&'static str> {
    let names = [
        ("BEGIN", "begin"),
        ("SELECT", "reserve"),
        ("SAVEPOINT idempotent_commit", "commit"),
        ("SAVEPOINT", "savepoint"),
        ("UPDATE accounts SET balance = balance -", "body: take from one"),
        ("UPDATE accounts SET balance = balance +", "body: give to the other"),
        ("INSERT INTO transfers", "body: note it"),
        ("ROLLBACK TO", "undo the body"),
        ("UPDATE \"idempotent\".\"records\"", "complete"),
        ("DELETE FROM \"idempotent\".\"records\"", "leave nothing"),
        ("COMMIT", "commit"),
        ("ROLLBACK", "roll back"),
    ];
    let (_, name) = names.iter().find(|(begins, _)| statement.starts_with(begins))?;
    Some(name)
}

impl fmt::Display for RepeatOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::RunsAgain => "runs again",
            Self::Replays => "replays",
        })
    }
}
