//! Which numbers stay distinct when they are represented as doubles.

/// The largest integer up to which a double represents every integer: 2⁵³ − 1.
const LARGEST_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// The double that represents a number of JSON, if no other number of that kind has the same one: an
/// integer below 2⁵³, or a decimal with up to 15 significant digits. `None` for all others, and for
/// what is no number of RFC 8259.
pub(super) fn exact_double(number: &str) -> Option<f64> {
    let unsigned = number.strip_prefix('-').unwrap_or(number);
    let mantissa_end = unsigned.bytes().position(|byte| matches!(byte, b'e' | b'E'));
    let (mantissa, exponent) = match mantissa_end {
        Some(at) => (&unsigned[..at], Some(&unsigned[at + 1..])),
        None => (unsigned, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    if !are_digits(whole) || (whole.len() > 1 && whole.starts_with('0')) {
        return None;
    }
    if fraction.is_none() && exponent.is_none() {
        let value: u64 = whole.parse().ok()?;
        let double = if number.len() > unsigned.len() { -(value as f64) } else { value as f64 };
        return (value <= LARGEST_SAFE_INTEGER).then_some(double);
    }
    if !fraction.is_none_or(are_digits) {
        return None;
    }
    // Well within the range of a double, decimals of 15 digits are distinct.
    if let Some(exponent) = exponent {
        let digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
        if !are_digits(digits) || digits.len() > 2 {
            return None;
        }
    }
    let digits = whole.len() + fraction.map_or(0, str::len);
    if digits > 100 || significant_digits(mantissa) > 15 {
        return None;
    }
    // Rust's parser rounds correctly, in every build.
    number.parse().ok()
}

fn are_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// How many digits there are from the first to the last that is not zero.
fn significant_digits(mantissa: &str) -> usize {
    let is_significant = |byte: &u8| matches!(byte, b'1'..=b'9');
    let bytes = mantissa.as_bytes();
    match (bytes.iter().position(is_significant), bytes.iter().rposition(is_significant)) {
        (Some(first), Some(last)) => {
            bytes[first..=last].iter().filter(|byte| byte.is_ascii_digit()).count()
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_exact_as_doubles_are_found() {
        for exact in
            ["0", "-0", "1.5", "9007199254740991", "1e10", "123456789012345e-20", "0.10000"]
        {
            assert_eq!(exact_double(exact), exact.parse().ok(), "{exact}");
        }
        for inexact in [
            "9007199254740992",
            "-9007199254740993",
            "1e100",
            "1e-100",
            "0.30000000000000004",
            "123456789012345678901234567890",
            "1234567890123456e2",
        ] {
            assert_eq!(exact_double(inexact), None, "{inexact}");
        }
    }

    #[test]
    fn decimals_are_rounded_correctly() {
        // serde_json reads some of these one unit in the last place off, unless the feature
        // `float_roundtrip` is on.
        for text in ["1e-30", "7.1e-40", "123456789012345e-60", "5.5e45", "8.41e67"] {
            assert_eq!(
                exact_double(text).unwrap().to_bits(),
                text.parse::<f64>().unwrap().to_bits()
            );
        }
    }

    #[test]
    fn what_json_does_not_know_is_no_number() {
        for text in
            ["", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "1.5.5", "1e1e1", "1-1", "--1"]
        {
            assert_eq!(exact_double(text), None, "{text}");
        }
    }
}
