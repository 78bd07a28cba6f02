//! Which numbers stay distinct when they are represented as doubles.

/// The largest integer up to which a double represents every integer: 2⁵³ − 1.
pub(super) const LARGEST_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Whether every number of a JSON text stays distinct as a double: an integer below 2⁵³, or a decimal
/// with up to 15 significant digits. Digits in strings do not count.
pub(super) fn are_exact(body: &[u8]) -> bool {
    let mut rest = body;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'0'..=b'9')) {
        rest = &rest[at..];
        if rest[0] == b'"' {
            rest = after_string(&rest[1..]);
            continue;
        }
        let is_part = |byte: &u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
        let end = rest.iter().position(|byte| !is_part(byte)).unwrap_or(rest.len());
        if !is_exact(&rest[..end]) {
            return false;
        }
        rest = &rest[end..];
    }
    true
}

fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'"' | b'\\')) {
        let skip = if rest[at] == b'"' { 1 } else { 2 };
        let end = rest[at] == b'"';
        rest = rest.get(at + skip..).unwrap_or_default();
        if end {
            return rest;
        }
    }
    &[]
}

/// Whether an unsigned number stays distinct as a double. The JSON parser rejects invalid
/// numbers.
fn is_exact(number: &[u8]) -> bool {
    let (digits, exponent) = match number.iter().position(|byte| matches!(byte, b'e' | b'E')) {
        Some(at) => (&number[..at], &number[at + 1..]),
        None => (number, &[][..]),
    };
    let is_integer = digits.len() == number.len() && !digits.contains(&b'.');
    if is_integer {
        let value = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<u64>().ok());
        return value.is_some_and(|value| value <= LARGEST_SAFE_INTEGER);
    }
    // Well within the range of a double, decimals of 15 digits are distinct.
    let exponent = exponent.strip_prefix(b"+").or(exponent.strip_prefix(b"-")).unwrap_or(exponent);
    let significant: Vec<u8> = digits.iter().copied().filter(u8::is_ascii_digit).collect();
    let first = significant.iter().position(|digit| *digit != b'0');
    let last = significant.iter().rposition(|digit| *digit != b'0');
    let count = match (first, last) {
        (Some(first), Some(last)) => last - first + 1,
        _ => 0,
    };
    count <= 15 && significant.len() <= 100 && exponent.len() <= 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_not_exact_as_doubles_are_found() {
        for exact in
            ["0", "-0", "1.5", "9007199254740991", "1e10", "123456789012345e-20", "0.10000"]
        {
            assert!(are_exact(exact.as_bytes()), "{exact}");
        }
        for inexact in [
            "9007199254740992",
            "[-9007199254740993]",
            "1e100",
            "1e-100",
            "0.30000000000000004",
            "123456789012345678901234567890",
            "1234567890123456e2",
        ] {
            assert!(!are_exact(inexact.as_bytes()), "{inexact}");
        }
    }

    #[test]
    fn digits_in_strings_are_not_numbers() {
        for text in [r#"{"9007199254740993":"9007199254740993"}"#, r#"["\"9007199254740993"]"#] {
            assert!(are_exact(text.as_bytes()), "{text}");
        }
        assert!(!are_exact(br#"["\\",9007199254740993]"#));
    }
}
