//! One connection's conversation: which number each message has in its transaction, and which answer
//! is whose.

use std::collections::{HashMap, VecDeque};

use super::messages::{ends, name, texts};

/// A message of a transaction on its way to the server, from its `BEGIN` on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Step {
    message: &'static str,
    statement: String,
}

impl Step {
    /// What the protocol calls the message: `Query`, `Parse`, `Bind`, `Execute`, …
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.message
    }

    /// The text of the statement that it is about.
    #[must_use]
    pub fn statement(&self) -> &str {
        &self.statement
    }
}

/// What a message of the server means for those of the client.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// More is to come.
    Part,
    /// The end of the answer to the message of that number in its transaction.
    Ends(Option<u32>),
    /// The end of a transaction, with all its steps.
    Over(Option<u32>, Vec<Step>),
    /// An error: its transaction can only be rolled back, and has no more steps.
    Refused,
}

#[derive(Debug, Default)]
pub(super) struct Session {
    /// By the names under which they were prepared.
    statements: HashMap<String, String>,
    /// That of the last message.
    statement: String,
    /// The steps so far, of a transaction that may still be committed.
    transaction: Option<Vec<Step>>,
    /// Messages without their answer: their kinds and numbers.
    owed: VecDeque<(u8, Option<u32>)>,
    /// Whether the server takes nothing more before the next `Sync`, and answers nothing.
    skips: bool,
    /// Whether the server has committed in its answer to the message that it answers now.
    commits: bool,
}

impl Session {
    /// Takes a message of the client's, and gives its number in its transaction.
    pub(super) fn sends(&mut self, message: &[u8]) -> Option<u32> {
        let kind = message.first().copied().unwrap_or_default();
        self.speaks_of(kind, message);
        if kind == b'Q' && self.statement.starts_with("BEGIN") {
            self.transaction = Some(Vec::new());
        }
        let number = self.transaction.as_mut().map(|steps| {
            steps.push(Step { message: name(kind), statement: self.statement.clone() });
            u32::try_from(steps.len()).unwrap_or(u32::MAX)
        });
        self.skips &= kind != b'S';
        if !self.skips && !matches!(kind, b'H' | b'X') {
            self.owed.push_back((kind, number));
        }
        number
    }

    fn speaks_of(&mut self, kind: u8, message: &[u8]) {
        let mut texts = texts(message);
        let mut text = || texts.next().unwrap_or_default();
        match kind {
            b'Q' => self.statement = text(),
            b'P' => {
                let name = text();
                self.statement = text();
                self.statements.insert(name, self.statement.clone());
            }
            b'B' => {
                let _portal = text();
                self.statement = self.statements.get(&text()).cloned().unwrap_or_default();
            }
            // The rest speaks of what was spoken of before.
            _ => {}
        }
    }

    /// Takes a message of the server's.
    pub(super) fn answers(&mut self, message: &[u8]) -> Answer {
        let kind = message.first().copied().unwrap_or_default();
        if kind == b'E' {
            self.transaction = None;
            // The server takes nothing more before the next `Sync`, which may be still to come; a
            // `Query` is its own.
            while self.owed.front().is_some_and(|(asked, _)| !matches!(asked, b'S' | b'Q')) {
                self.owed.pop_front();
            }
            self.skips = self.owed.is_empty();
            return Answer::Refused;
        }
        // `ROLLBACK TO` is answered like `ROLLBACK`, so that one is told by the state after it.
        self.commits |= kind == b'C' && message.get(5..) == Some(b"COMMIT\0");
        match self.owed.front().copied() {
            Some((asked, number)) if ends(asked, kind) => {
                self.owed.pop_front();
                // A message that commits may begin another transaction.
                let commits = kind == b'Z' && std::mem::take(&mut self.commits);
                let idle = kind == b'Z' && message.get(5) == Some(&b'I');
                match self.transaction.take_if(|_| idle || commits) {
                    Some(steps) => Answer::Over(number, steps),
                    None => Answer::Ends(number),
                }
            }
            _ => Answer::Part,
        }
    }

    /// The last step of the transaction.
    pub(super) fn last(&self) -> Option<&Step> {
        self.transaction.as_ref()?.last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, body: &str) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
        [&[kind][..], &length, body.as_bytes()].concat()
    }

    fn begun() -> Session {
        let mut session = Session::default();
        assert_eq!(session.sends(&message(b'Q', "SELECT\0")), None);
        assert_eq!(session.answers(&message(b'Z', "I")), Answer::Ends(None));
        assert_eq!(session.sends(&message(b'Q', "BEGIN\0")), Some(1));
        assert_eq!(session.answers(&message(b'C', "BEGIN\0")), Answer::Part);
        assert_eq!(session.answers(&message(b'Z', "T")), Answer::Ends(Some(1)));
        session
    }

    #[test]
    fn steps_are_numbered_from_the_beginning_of_a_transaction_and_named_by_their_statements() {
        let mut session = begun();
        let sent = [
            message(b'P', "s1\0DELETE\0\0\0"),
            message(b'B', "\0s1\0"),
            message(b'E', "\0\0\0\0\0"),
            message(b'S', ""),
        ];
        for (number, message) in (2..).zip(&sent) {
            assert_eq!(session.sends(message), Some(number));
        }
        assert_eq!(session.answers(&message(b'1', "")), Answer::Ends(Some(2)));
        assert_eq!(session.answers(&message(b'2', "")), Answer::Ends(Some(3)));
        assert_eq!(session.answers(&message(b'C', "DELETE 1\0")), Answer::Ends(Some(4)));
        assert_eq!(session.answers(&message(b'Z', "T")), Answer::Ends(Some(5)));
        assert_eq!(session.sends(&message(b'Q', "COMMIT\0")), Some(6));
        let Answer::Over(Some(6), steps) = session.answers(&message(b'Z', "I")) else {
            panic!("the transaction is not over")
        };
        let steps: Vec<_> = steps.iter().map(|step| (step.message(), step.statement())).collect();
        let expected = [
            ("Query", "BEGIN"),
            ("Parse", "DELETE"),
            ("Bind", "DELETE"),
            ("Execute", "DELETE"),
            ("Sync", "DELETE"),
            ("Query", "COMMIT"),
        ];
        assert_eq!(steps, expected);
        assert_eq!(session.sends(&message(b'S', "")), None);
    }

    #[test]
    fn what_the_server_refused_has_no_more_steps_until_another_transaction_begins() {
        let mut session = begun();
        for sent in [message(b'B', "\0s1\0"), message(b'E', "\0\0\0\0\0"), message(b'S', "")] {
            session.sends(&sent);
        }
        assert_eq!(session.answers(&message(b'E', "C40001\0\0")), Answer::Refused);
        assert_eq!(session.answers(&message(b'Z', "E")), Answer::Ends(Some(4)));
        assert_eq!(session.sends(&message(b'Q', "ROLLBACK\0")), None);
        assert_eq!(session.answers(&message(b'Z', "I")), Answer::Ends(None));
        assert_eq!(session.sends(&message(b'Q', "BEGIN\0")), Some(1));
    }

    #[test]
    fn what_is_sent_after_a_refusal_and_before_the_next_sync_is_owed_no_answer() {
        let mut session = begun();
        for sent in [message(b'B', "\0s1\0"), message(b'E', "\0\0\0\0\0")] {
            session.sends(&sent);
        }
        assert_eq!(session.answers(&message(b'E', "C40001\0\0")), Answer::Refused);
        for sent in [message(b'C', "P\0"), message(b'S', "")] {
            session.sends(&sent);
        }
        assert_eq!(session.answers(&message(b'Z', "E")), Answer::Ends(None));
        assert_eq!(session.sends(&message(b'Q', "BEGIN\0")), Some(1));
        assert_eq!(session.answers(&message(b'Z', "T")), Answer::Ends(Some(1)));
    }
}
