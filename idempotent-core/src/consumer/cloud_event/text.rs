//! The syntax of values.

/// Whether it has none of the characters that texts may not have.
pub(super) fn is_text(value: &str) -> bool {
    !value.chars().any(char::is_control)
}

/// Whether it may be a reference to a URI: what is in it that no URI has is not let through, and nothing is taken apart.
pub(super) fn is_uri_reference(value: &str) -> bool {
    let is_strange = |c: char| c.is_control() || c.is_whitespace() || "<>\"{}|\\^`".contains(c);
    !value.is_empty() && !value.chars().any(is_strange)
}

/// Whether it is one with a scheme.
pub(super) fn is_uri(value: &str) -> bool {
    let Some((scheme, _)) = value.split_once(':') else { return false };
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(is_scheme)
        && is_uri_reference(value)
}

/// The value of a header by the HTTP and NATS bindings: quotes and escapes are taken off, and then percent signs are decoded
/// once. `None` if that is no UTF-8.
pub(super) fn decoded(value: &str) -> Option<String> {
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    let unquoted = quoted.map(|quoted| {
        let mut text = String::with_capacity(quoted.len());
        let mut characters = quoted.chars();
        while let Some(c) = characters.next() {
            text.push(if c == '\\' { characters.next().unwrap_or(c) } else { c });
        }
        text
    });
    let text = unquoted.as_deref().unwrap_or(value);
    let (mut bytes, mut rest) = (Vec::with_capacity(text.len()), text.as_bytes());
    while let Some((first, others)) = rest.split_first() {
        let digits = others.get(..2).filter(|_| *first == b'%');
        let byte = digits.and_then(|digits| {
            let high = char::from(digits[0]).to_digit(16)?;
            let low = char::from(digits[1]).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        });
        bytes.push(byte.unwrap_or(*first));
        rest = if byte.is_some() { &others[2..] } else { others };
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_headers_are_decoded_once() {
        for (value, expected) in [
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro \u{20ac} \u{1f600}"),
            ("\"a \\\"quoted\\\" one\"", "a \"quoted\" one"),
            ("%2541", "%41"),
            ("50%", "50%"),
            ("%4", "%4"),
            ("%zz", "%zz"),
            ("\"", "\""),
        ] {
            assert_eq!(decoded(value).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(decoded("%C0%A0"), None);
    }

    #[test]
    fn a_schema_has_a_scheme_and_a_source_need_not_have_one() {
        for uri in ["https://example.com/schema", "urn:a:b", "tag:x"] {
            assert!(is_uri(uri) && is_uri_reference(uri), "{uri}");
        }
        for reference in ["/shop", "shop", "1:2", "../orders#7"] {
            assert!(!is_uri(reference) && is_uri_reference(reference), "{reference}");
        }
        for neither in ["", "two words", "a<b", "line\nbreak"] {
            assert!(!is_uri(neither) && !is_uri_reference(neither), "{neither}");
        }
    }
}
