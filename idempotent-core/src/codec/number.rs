//! [`Number`]: the numbers of JSON, read from their text.
//!
//! Parsed here and not by `serde_json`, whose results depend on the features that any crate of a
//! program can switch on: `arbitrary_precision` keeps the text, `float_roundtrip` rounds otherwise.

/// A number as `serde_json` has it in a build without features.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

/// A number that was read.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Parsed {
    pub(crate) number: Number,
    /// Whether the number, written out again, is the same decimal.
    pub(crate) is_exact: bool,
}

impl Number {
    /// Reads a number of RFC 8259. `None` if it is none, or is beyond the range of a double.
    pub(crate) fn parse(text: &str) -> Option<Parsed> {
        let decimal = Decimal::parse(text)?;
        if decimal.is_integer {
            // A negative zero is a double, as for serde_json.
            let integer = match text.strip_prefix('-') {
                None => text.parse().ok().map(Self::Unsigned),
                Some("0") => None,
                Some(_) => text.parse().ok().map(Self::Negative),
            };
            if let Some(number) = integer {
                return Some(Parsed { number, is_exact: true });
            }
        }
        // Rust's parser rounds correctly.
        let value: f64 = text.parse().ok().filter(|value: &f64| value.is_finite())?;
        let shortest = format!("{value:e}");
        let is_exact = Decimal::parse(&shortest).is_some_and(|shortest| shortest == decimal);
        Some(Parsed { number: Self::Float(value), is_exact })
    }
}

/// A decimal in normal form: its digits without zeros at either end, and the position of the point.
#[derive(Clone, Debug)]
pub(crate) struct Decimal {
    is_negative: bool,
    /// Whether it is written without a fraction and without an exponent.
    pub(crate) is_integer: bool,
    digits: Vec<u8>,
    /// The value is `0.digits × 10^exponent`.
    exponent: i64,
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Self) -> bool {
        let of = |it: &Self| (it.is_negative, it.digits.clone(), it.exponent);
        of(self) == of(other)
    }
}

impl Decimal {
    /// Reads a number of RFC 8259. `None` if it is none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let unsigned = text.strip_prefix('-').unwrap_or(text);
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent)),
            None => (unsigned, None),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (mantissa, None),
        };
        let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !are_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
            return None;
        }
        if fraction.is_some_and(|fraction| !are_digits(fraction)) {
            return None;
        }
        let power = match exponent {
            None => 0,
            Some(exponent) => {
                let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
                if !are_digits(digits) {
                    return None;
                }
                // Far beyond any double, where only the order of magnitude matters.
                let power = digits.parse::<i64>().unwrap_or(i64::MAX / 4).min(i64::MAX / 4);
                if exponent.starts_with('-') { -power } else { power }
            }
        };
        let mut digits: Vec<u8> =
            whole.bytes().chain(fraction.unwrap_or_default().bytes()).collect();
        let leading = digits.iter().take_while(|digit| **digit == b'0').count();
        let trailing = digits.iter().rev().take_while(|digit| **digit == b'0').count();
        let exponent = if leading == digits.len() {
            digits.clear();
            0
        } else {
            digits.truncate(digits.len() - trailing);
            digits.drain(..leading);
            power + whole.len() as i64 - leading as i64
        };
        let is_integer = fraction.is_none() && unsigned.len() == whole.len();
        Some(Self { is_negative: text.starts_with('-'), is_integer, digits, exponent })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> (Number, bool) {
        let Parsed { number, is_exact } = Number::parse(text).unwrap();
        (number, is_exact)
    }

    #[test]
    fn integers_of_64_bits_stay_integers() {
        assert_eq!(parsed("0"), (Number::Unsigned(0), true));
        assert_eq!(parsed("18446744073709551615"), (Number::Unsigned(u64::MAX), true));
        assert_eq!(parsed("-9223372036854775808"), (Number::Negative(i64::MIN), true));
        assert_eq!(parsed("-0"), (Number::Float(-0.0), true));
    }

    #[test]
    fn a_decimal_is_the_nearest_double_and_exact_if_that_is_written_the_same() {
        for text in ["19.9", "19.90", "1.99e1", "199E-1"] {
            assert_eq!(parsed(text), (Number::Float(19.9), true), "{text}");
        }
        assert_eq!(parsed("1e2"), (Number::Float(100.0), true));
        assert_eq!(parsed("0.000"), (Number::Float(0.0), true));
        for inexact in ["0.1000000000000000055511151231257827", "18446744073709551617", "1e-400"] {
            assert!(!Number::parse(inexact).unwrap().is_exact, "{inexact}");
        }
    }

    #[test]
    fn what_json_does_not_know_is_no_number() {
        let not = [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "0x1", "NaN", "inf", "1_0", " 1",
            "1e400", "--1", "1.5.5", "1e1.5", "-e1",
        ];
        for text in not {
            assert_eq!(Number::parse(text), None, "{text}");
        }
    }
}
