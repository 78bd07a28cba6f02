//! How far a relay has come through all keys, batch by batch, and what to do next.

use super::batch::BatchOutcome;

#[derive(Default)]
/// The batches since the first key.
pub(super) struct Progress {
    /// The key after which the next batch continues.
    pub(super) after: String,
    /// Whether the broker has not answered since before the previous time through all keys.
    pub(super) is_down: bool,
    has_removed: bool,
    is_answered: bool,
    is_unanswered: bool,
}

/// What to do after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more messages: begin the next batch.
    Batch,
    /// All keys were looked at, and nothing was delivered or parked: wait for new messages.
    Idle,
    /// All keys were looked at, and the broker answered to no message: wait until it is back.
    Unavailable,
}

impl Progress {
    pub(super) fn advance(&mut self, batch: &BatchOutcome) -> Next {
        self.has_removed |= batch.pass.delivered > 0 || batch.pass.parked > 0;
        self.is_answered |= batch.pass.is_answered();
        self.is_unanswered |= batch.pass.unavailable > 0;
        self.is_down &= !self.is_answered;
        if let Some(last) = &batch.last {
            self.after.clone_from(last);
            return Next::Batch;
        }
        let previous = std::mem::take(self);
        self.is_down = !previous.is_answered && (previous.is_unanswered || previous.is_down);
        match previous {
            Self { is_unanswered: true, is_answered: false, .. } => Next::Unavailable,
            Self { has_removed: true, .. } => Next::Batch,
            _ => Next::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::pass::Pass;
    use super::*;

    fn batch(delivered: u64, refused: u64, unavailable: u64, last: Option<&str>) -> BatchOutcome {
        let pass = Pass { delivered, refused, unavailable, parked: 0 };
        BatchOutcome { pass, last: last.map(str::to_owned) }
    }

    #[test]
    fn a_batch_continues_after_the_last_key_and_begins_again_after_all_of_them() {
        let mut progress = Progress::default();
        assert_eq!(progress.advance(&batch(0, 0, 0, Some("k"))), Next::Batch);
        assert_eq!(progress.after, "k");
        assert_eq!(progress.advance(&batch(0, 0, 0, None)), Next::Idle);
        assert_eq!(progress.after, "");
    }

    #[test]
    fn anything_delivered_or_parked_calls_for_another_look_at_all_keys() {
        let mut progress = Progress::default();
        progress.advance(&batch(1, 0, 0, Some("k")));
        assert_eq!(progress.advance(&batch(0, 0, 0, None)), Next::Batch);
        assert_eq!(progress.advance(&batch(0, 1, 0, None)), Next::Idle);
        let mut parked = batch(0, 1, 0, None);
        parked.pass.parked = 1;
        assert_eq!(progress.advance(&parked), Next::Batch, "another one waits behind it");
    }

    #[test]
    fn a_broker_is_down_once_no_key_got_an_answer_until_one_does() {
        let mut progress = Progress::default();
        assert_eq!(progress.advance(&batch(0, 0, 3, Some("k"))), Next::Batch);
        assert!(!progress.is_down, "other keys may fare better");
        assert_eq!(progress.advance(&batch(0, 0, 1, None)), Next::Unavailable);
        assert!(progress.is_down);
        assert_eq!(progress.advance(&batch(0, 0, 0, None)), Next::Idle);
        assert!(progress.is_down, "nothing was tried");
        progress.advance(&batch(0, 1, 2, Some("k")));
        assert!(!progress.is_down, "a refusal is an answer");
        assert_eq!(progress.advance(&batch(0, 0, 1, None)), Next::Idle);
        assert!(!progress.is_down);
    }
}
