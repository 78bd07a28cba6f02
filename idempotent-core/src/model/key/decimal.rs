//! Integers as decimal text, without the machinery of `Display`: the keys of most operations are numbers.

/// The longest text of a 64-bit integer: 20 digits, or 19 and a sign.
const LONGEST: usize = 20;

/// The text of an integer, as its `Display` writes it.
pub(super) struct Decimal {
    text: [u8; LONGEST],
    start: usize,
}

impl Decimal {
    pub(super) const fn unsigned(mut value: u64) -> Self {
        let (mut text, mut start) = ([0; LONGEST], LONGEST);
        loop {
            start -= 1;
            text[start] = b'0' + (value % 10) as u8;
            value /= 10;
            if value == 0 {
                return Self { text, start };
            }
        }
    }

    pub(super) const fn signed(value: i64) -> Self {
        let mut decimal = Self::unsigned(value.unsigned_abs());
        if value < 0 {
            decimal.start -= 1;
            decimal.text[decimal.start] = b'-';
        }
        decimal
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.text[self.start..]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_is_that_of_display() {
        let mut values = vec![0, 1, 9, 10, 99, 100, 101, u64::MAX, u64::MAX / 10, 1 << 63];
        values.extend((0..20).map(|power| 10_u64.pow(power)));
        values.extend((0..20).map(|power| 10_u64.pow(power) - 1));
        for value in values {
            assert_eq!(Decimal::unsigned(value).as_bytes(), value.to_string().as_bytes());
            for value in [value as i64, (value as i64).wrapping_neg()] {
                assert_eq!(Decimal::signed(value).as_bytes(), value.to_string().as_bytes());
            }
        }
    }
}
