//! The two ways to write a key: an RFC 8941 String, and the bare text.

use std::borrow::Cow;

use sfv::visitor::{Ignored, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, Parser, StringRef};

use super::{IdempotencyKey, InvalidKey};

pub(super) fn parse(value: &[u8]) -> Result<IdempotencyKey, InvalidKey> {
    let value = std::str::from_utf8(value).map_err(|_| InvalidKey::Character)?;
    if is_plain(value) {
        return Ok(IdempotencyKey(value.into()));
    }
    if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
        return Err(InvalidKey::Character);
    }
    let value = value.trim_matches([' ', '\t']);
    match value.as_bytes().first() {
        None => Err(InvalidKey::Empty),
        Some(b'"') => quoted(value),
        Some(_) => bare(value),
    }
}

/// Whether it is what nearly all clients send, such as a UUID: a bare key that has one reading.
fn is_plain(value: &str) -> bool {
    (1..=IdempotencyKey::MAX_BYTES).contains(&value.len())
        && value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn quoted(value: &str) -> Result<IdempotencyKey, InvalidKey> {
    let mut text = Text(None);
    match (Parser::new(value).parse_item_with_visitor(&mut text), text.0) {
        (Ok(()), Some(text)) => IdempotencyKey::new(text.as_str()),
        _ if has_comma_outside_quotes(value) => Err(InvalidKey::List),
        _ => Err(InvalidKey::Syntax),
    }
}

/// A quote would make it a string cut in two, a comma a list; all else is the key, up to its
/// parameters.
fn bare(value: &str) -> Result<IdempotencyKey, InvalidKey> {
    let (text, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
    if has_comma_outside_quotes(value) {
        return Err(InvalidKey::List);
    }
    if text.contains('"') {
        return Err(InvalidKey::Syntax);
    }
    if !parameters.is_empty() {
        // They are those of an item, whatever the item.
        let item = format!("a{parameters}");
        let parsed = Parser::new(&item).parse_item_with_visitor(Ignored);
        parsed.map_err(|_| InvalidKey::Syntax)?;
    }
    IdempotencyKey::new(text.trim_end_matches([' ', '\t']))
}

fn has_comma_outside_quotes(value: &str) -> bool {
    let (mut inside, mut escaped) = (false, false);
    value.bytes().any(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' => return !inside,
            _ => {}
        }
        false
    })
}

/// Keeps an item's text, if the item is a String.
struct Text<'de>(Option<Cow<'de, StringRef>>);

impl<'de> ItemVisitor<'de> for &mut Text<'de> {
    type Error = std::convert::Infallible;

    fn bare_item(
        self,
        item: BareItemFromInput<'de>,
    ) -> Result<impl ParameterVisitor<'de>, Self::Error> {
        if let BareItemFromInput::String(text) = item {
            self.0 = Some(text);
        }
        Ok(Ignored)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(value: &str) -> Result<String, InvalidKey> {
        parse(value.as_bytes()).map(|key| key.as_str().to_owned())
    }

    #[test]
    fn quoted_and_bare_are_one_key() {
        for (value, text) in [
            ("abc", "abc"),
            (r#""abc""#, "abc"),
            ("  abc\t", "abc"),
            (r#" "abc" "#, "abc"),
            ("abc;a=1", "abc"),
            ("abc ; a", "abc"),
            (r#""abc";a=1;b="x,y""#, "abc"),
            (r#"abc;b="x,y""#, "abc"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            (r"a\c", r"a\c"),
            (r#""a b""#, "a b"),
            ("a b", "a b"),
            (r#""a,b""#, "a,b"),
            (r#""a;b""#, "a;b"),
            ("123", "123"),
            ("?1", "?1"),
            (":YWJj:", ":YWJj:"),
        ] {
            assert_eq!(key(value), Ok(text.to_owned()), "{value}");
        }
    }

    #[test]
    fn what_is_no_key_says_why() {
        for (value, why) in [
            ("", InvalidKey::Empty),
            (" \t ", InvalidKey::Empty),
            (r#""""#, InvalidKey::Empty),
            (r#""  ""#, InvalidKey::Empty),
            (";a", InvalidKey::Empty),
            ("a,b", InvalidKey::List),
            ("a, a", InvalidKey::List),
            (r#""a", "b""#, InvalidKey::List),
            (r#""a","a""#, InvalidKey::List),
            (r#""a"#, InvalidKey::Syntax),
            (r#"a""#, InvalidKey::Syntax),
            (r#""a"b"#, InvalidKey::Syntax),
            (r#""a\n""#, InvalidKey::Syntax),
            (r#""a";"#, InvalidKey::Syntax),
            ("a;1", InvalidKey::Syntax),
            ("a;A", InvalidKey::Syntax),
            ("a\tb", InvalidKey::Character),
            ("clé", InvalidKey::Character),
            ("\"a\u{7f}\"", InvalidKey::Character),
        ] {
            assert_eq!(key(value), Err(why), "{value}");
        }
        assert_eq!(parse(b"\xff"), Err(InvalidKey::Character));
    }

    #[test]
    fn the_limit_counts_the_key_and_not_how_it_is_written() {
        let (longest, longer) = ("k".repeat(255), "k".repeat(256));
        assert_eq!(key(&longest), Ok(longest.clone()));
        assert_eq!(key(&format!("\"{longest}\"")), Ok(longest.clone()));
        assert_eq!(key(&format!("\"{}\"", "\\\"".repeat(255))), Ok("\"".repeat(255)));
        assert_eq!(key(&longer), Err(InvalidKey::TooLong));
        assert_eq!(key(&format!("\"{longer}\"")), Err(InvalidKey::TooLong));
    }
}
