//! Where a relay is on its way from the first key to the last, and what it has seen on it.

use super::turn::Turn;

#[derive(Default)]
pub(super) struct Round {
    /// The key to go on after.
    pub(super) after: String,
    /// Whether the broker answered to nothing in the round before, nor since.
    pub(super) down: bool,
    moved: bool,
    answered: bool,
    unanswered: bool,
}

/// What to do after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// There may be more.
    GoOn,
    /// A whole round delivered nothing, and parked nothing that others waited for.
    Idle,
    /// A whole round was answered by nobody.
    Down,
}

impl Round {
    pub(super) fn note(&mut self, turn: &Turn) -> Next {
        self.moved |= turn.pass.delivered > 0 || turn.pass.parked > 0;
        self.answered |= turn.is_answered();
        self.unanswered |= turn.pass.unavailable > 0;
        self.down &= !self.answered;
        if let Some(last) = &turn.last {
            self.after.clone_from(last);
            return Next::GoOn;
        }
        let round = std::mem::take(self);
        self.down = !round.answered && (round.unanswered || round.down);
        match round {
            Self { unanswered: true, answered: false, .. } => Next::Down,
            Self { moved: true, .. } => Next::GoOn,
            _ => Next::Idle,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Pass;
    use super::*;

    fn turn(delivered: u64, refused: u64, unavailable: u64, last: Option<&str>) -> Turn {
        let pass = Pass { delivered, refused, unavailable, parked: 0 };
        Turn { pass, last: last.map(str::to_owned) }
    }

    #[test]
    fn a_round_goes_on_after_the_last_key_and_begins_anew_after_all() {
        let mut round = Round::default();
        assert_eq!(round.note(&turn(0, 0, 0, Some("k"))), Next::GoOn);
        assert_eq!(round.after, "k");
        assert_eq!(round.note(&turn(0, 0, 0, None)), Next::Idle);
        assert_eq!(round.after, "");
    }

    #[test]
    fn what_was_delivered_or_parked_anywhere_in_a_round_calls_for_another() {
        let mut round = Round::default();
        round.note(&turn(1, 0, 0, Some("k")));
        assert_eq!(round.note(&turn(0, 0, 0, None)), Next::GoOn);
        assert_eq!(round.note(&turn(0, 1, 0, None)), Next::Idle);
        let mut parked = turn(0, 1, 0, None);
        parked.pass.parked = 1;
        assert_eq!(round.note(&parked), Next::GoOn, "another one waits behind it");
    }

    #[test]
    fn a_broker_is_down_after_a_round_without_an_answer_until_it_answers() {
        let mut round = Round::default();
        assert_eq!(round.note(&turn(0, 0, 3, Some("k"))), Next::GoOn);
        assert!(!round.down, "other keys may fare better");
        assert_eq!(round.note(&turn(0, 0, 1, None)), Next::Down);
        assert!(round.down);
        assert_eq!(round.note(&turn(0, 0, 0, None)), Next::Idle);
        assert!(round.down, "nothing was tried");
        round.note(&turn(0, 1, 2, Some("k")));
        assert!(!round.down, "a refusal is an answer");
        assert_eq!(round.note(&turn(0, 0, 1, None)), Next::Idle);
        assert!(!round.down);
    }
}
