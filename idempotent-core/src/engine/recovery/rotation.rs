//! [`Rotation`]: which part of the index is asked next, where a store has several.

use std::time::Duration;

/// The parts of an index, in turn.
pub(super) struct Rotation {
    part: u32,
    /// For how long the first call of each part has been due, when it was asked last.
    oldest: Vec<Duration>,
}

impl Rotation {
    /// Begins anywhere, so that the processes of a fleet do not all ask the same.
    pub(super) fn new(parts: u32) -> Self {
        Self::beginning_at(getrandom::u32().unwrap_or_default(), parts)
    }

    fn beginning_at(part: u32, parts: u32) -> Self {
        let parts = parts.max(1);
        Self { part: part % parts, oldest: vec![Duration::ZERO; parts as usize] }
    }

    /// The part to ask.
    pub(super) const fn part(&self) -> u32 {
        self.part
    }

    /// Goes on to the next part.
    pub(super) fn advance(&mut self) {
        self.part = (self.part + 1) % self.oldest.len() as u32;
    }

    /// Notes for how long the first call of this part has been due, and returns the longest time of all parts.
    pub(super) fn note_oldest(&mut self, oldest: Duration) -> Duration {
        if let Some(noted) = self.oldest.get_mut(self.part as usize) {
            *noted = oldest;
        }
        self.oldest.iter().copied().max().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_has_its_turn_and_the_oldest_of_all_is_known() {
        let mut rotation = Rotation::beginning_at(3, 3);
        let seconds = Duration::from_secs;
        let mut asked = Vec::new();
        for oldest in [7, 0, 9, 2] {
            let longest = rotation.note_oldest(seconds(oldest));
            asked.push((rotation.part(), longest));
            rotation.advance();
        }
        let expected = [(0, seconds(7)), (1, seconds(7)), (2, seconds(9)), (0, seconds(9))];
        assert_eq!(asked, expected);
        let mut only = Rotation::new(0);
        only.advance();
        assert_eq!((only.part(), only.note_oldest(seconds(1))), (0, seconds(1)));
    }
}
