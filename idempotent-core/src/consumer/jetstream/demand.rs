//! [`Demand`]: how many messages the server was asked for that have not come.
//!
//! A server serves the open requests of a consumer in turns, and does not say which one a message is for, nor when one is
//! complete. It only says at the end of one that is not how many messages it still had to send. So what is known for sure is
//! the sum; a message is counted for the newest request, so that one that a server has forgotten grows old.

use std::collections::VecDeque;

use tokio::time::Instant;

/// The requests that are open, the oldest first.
#[derive(Default)]
pub(super) struct Demand {
    open: VecDeque<Open>,
    /// When the newest request that there ever was is over.
    last_until: Option<Instant>,
}

struct Open {
    number: u64,
    left: usize,
    /// When it is over, whatever the server says.
    until: Instant,
}

impl Demand {
    /// A request was sent.
    pub(super) fn asked(&mut self, number: u64, messages: usize, until: Instant) {
        self.open.push_back(Open { number, left: messages, until });
        self.last_until = Some(until);
    }

    /// A message has come.
    pub(super) fn received(&mut self) {
        let Some(newest) = self.open.back_mut() else { return };
        newest.left -= 1;
        if newest.left == 0 {
            self.open.pop_back();
        }
    }

    /// The server has ended a request, of which it has not sent so many messages; `None` if it does not say how many.
    pub(super) fn ended(&mut self, number: u64, unsent: Option<usize>) {
        let place = self.open.iter().position(|open| open.number == number);
        let counted = place.and_then(|place| self.open.remove(place)).map_or(0, |open| open.left);
        let Some(unsent) = unsent else { return };
        // What was counted for the wrong one.
        let Some(missing) = counted.checked_sub(unsent) else {
            return self.reduce(unsent - counted);
        };
        match (self.open.back_mut(), self.last_until) {
            (Some(newest), _) => newest.left += missing,
            (None, Some(until)) if missing > 0 => {
                self.open.push_back(Open { number, left: missing, until });
            }
            (None, _) => {}
        }
    }

    fn reduce(&mut self, mut messages: usize) {
        while let Some(oldest) = self.open.front_mut() {
            let reduced = oldest.left.min(messages);
            oldest.left -= reduced;
            messages -= reduced;
            if oldest.left > 0 {
                return;
            }
            self.open.pop_front();
        }
    }

    /// Forgets the requests that are over without the server having said so: it has forgotten them itself.
    pub(super) fn forget(&mut self, now: Instant) {
        while self.open.front().is_some_and(|oldest| oldest.until <= now) {
            self.open.pop_front();
        }
    }

    /// When the next request is over.
    pub(super) fn next_end(&self) -> Option<Instant> {
        self.open.front().map(|oldest| oldest.until)
    }

    /// How many messages may still come.
    pub(super) fn messages(&self) -> usize {
        self.open.iter().map(|open| open.left).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Each of so many messages, one second after the other.
    fn asked(requests: &[usize]) -> (Demand, Instant) {
        let (mut demand, now) = (Demand::default(), Instant::now());
        for (number, messages) in (0..).zip(requests) {
            demand.asked(number, *messages, now + SECOND * (2 + number as u32));
        }
        (demand, now)
    }

    #[test]
    fn every_message_that_comes_is_one_less() {
        let (mut demand, _) = asked(&[2, 1]);
        let left = [(); 4].map(|()| {
            let left = demand.messages();
            demand.received();
            left
        });
        assert_eq!((left, demand.messages()), ([3, 2, 1, 0], 0));
    }

    #[test]
    fn a_request_that_ends_takes_what_it_was_not_sent_from_the_sum() {
        // Ten messages have come of the first, and were counted for the second.
        let (mut demand, _) = asked(&[64, 10]);
        (0..10).for_each(|_| demand.received());
        demand.ended(0, Some(54));
        assert_eq!(demand.messages(), 10);
        demand.ended(1, Some(10));
        assert_eq!(demand.messages(), 0);
    }

    #[test]
    fn messages_of_the_oldest_that_were_counted_for_the_newest_are_given_to_those_that_are_left() {
        let (mut demand, _) = asked(&[4, 4]);
        demand.received();
        demand.ended(0, Some(3));
        assert_eq!(demand.messages(), 4);
        // One of the newest that was not the oldest's.
        let (mut demand, _) = asked(&[4, 4]);
        demand.received();
        demand.ended(1, Some(4));
        assert_eq!(demand.messages(), 3);
    }

    #[test]
    fn a_request_of_which_the_server_says_no_number_is_over_with_what_it_had() {
        let (mut demand, _) = asked(&[4, 3]);
        demand.ended(1, None);
        assert_eq!(demand.messages(), 4);
        demand.ended(1, None);
        assert_eq!(demand.messages(), 4);
    }

    #[test]
    fn a_request_that_the_server_forgot_is_over_in_time_however_many_messages_come_meanwhile() {
        let (mut demand, now) = asked(&[64]);
        for number in 1..100 {
            demand.asked(number, 1, now + SECOND * 3);
            demand.received();
        }
        assert_eq!((demand.messages(), demand.next_end()), (64, Some(now + SECOND * 2)));
        demand.forget(now + SECOND * 2);
        assert_eq!((demand.messages(), demand.next_end()), (0, None));
    }
}
