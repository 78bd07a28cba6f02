//! The query of a request, in one form for all ways to write it.
//!
//! Two queries have one form if they differ in the order of parameters with different names, or in how a
//! character is written that means the same either way (RFC 3986, section 6.2.2): `%61` is `a`, and `%2f` is
//! `%2F`. All else counts. Handlers do not agree on what `+` is, or whether names differ by case, so these
//! count too, and the order of parameters counts wherever any of them could take two names for the same.

use super::head_bytes::HeadBytes;

/// Appends a query.
pub(super) fn push(head: &mut HeadBytes, query: Option<&str>) {
    let Some(query) = query else { return head.end_list() };
    if !query.contains(['&', '%']) {
        head.push(query.as_bytes());
        return head.end_list();
    }
    let mut parameters: Vec<Parameter> = query.split('&').map(Parameter::of).collect();
    // It is stable: parameters whose names may be the same keep their order.
    parameters.sort_by(|one, other| one.name.cmp(&other.name));
    for parameter in parameters {
        head.push(&parameter.text);
    }
    head.end_list();
}

/// One parameter.
struct Parameter {
    /// What is sorted by: the name, in a form that is equal wherever a handler could take two for the same.
    name: Vec<u8>,
    /// The whole parameter.
    text: Vec<u8>,
}

impl Parameter {
    fn of(written: &str) -> Self {
        let name = written.split_once('=').map_or(written, |(name, _)| name);
        Self { name: folded(name.as_bytes()), text: normalized(written.as_bytes()) }
    }
}

/// With unreserved characters as they are, and the digits of all other escapes in capitals. What is no escape
/// stays as it is.
fn normalized(written: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some((&byte, tail)) = rest.split_first() {
        match escaped(rest) {
            Some(byte) if is_unreserved(byte) => out.push(byte),
            Some(_) => out.extend(rest[..3].iter().map(u8::to_ascii_uppercase)),
            None => out.push(byte),
        }
        rest = if escaped(rest).is_some() { &rest[3..] } else { tail };
    }
    out
}

/// Decoded, in lower case, and with a space for `+`, which some handlers take for one.
fn folded(name: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        let decoded = escaped(rest);
        out.push(match decoded.unwrap_or(byte) {
            b'+' => b' ',
            byte => byte.to_ascii_lowercase(),
        });
        rest = if decoded.is_some() { &rest[3..] } else { tail };
    }
    out
}

/// The byte that an escape at the start of `text` stands for.
fn escaped(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |digit: u8| char::from(digit).to_digit(16).map(|digit| digit as u8);
    Some(digit(*high)? << 4 | digit(*low)?)
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_escapes_that_mean_the_same_are_undone() {
        for (written, text) in [
            ("%61%2d%7E", "a-~"),
            ("%2f%2B%26%3d", "%2F%2B%26%3D"),
            ("a+b%20c", "a+b%20c"),
            ("%", "%"),
            ("%4", "%4"),
            ("%zz%4g", "%zz%4g"),
            ("%2561", "%2561"),
            ("%ff", "%FF"),
        ] {
            assert_eq!(normalized(written.as_bytes()), text.as_bytes(), "{written}");
        }
    }

    #[test]
    fn names_that_a_handler_could_take_for_the_same_are_sorted_as_the_same() {
        for name in ["A%20b", "a+b", "a%2Bb", "%61 b"] {
            assert_eq!(folded(name.as_bytes()), b"a b", "{name}");
        }
    }
}
