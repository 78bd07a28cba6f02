//! Parsing the two forms of the header: an RFC 8941 String, and the bare text.

use std::borrow::Cow;

use sfv::visitor::{Ignored, ItemVisitor, ParameterVisitor};
use sfv::{BareItemFromInput, Parser, StringRef};

use super::invalid_key::InvalidKey;

/// The text of a key, without quotes, escapes and parameters. Its length and characters are still to
/// be checked.
pub(super) fn key_text(value: &[u8]) -> Result<Cow<'_, str>, InvalidKey> {
    let value = std::str::from_utf8(value).map_err(|_| InvalidKey::Character)?;
    if is_plain(value) {
        return Ok(Cow::Borrowed(value));
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

/// Whether the value is what nearly all clients send, such as a UUID, and needs no parsing.
fn is_plain(value: &str) -> bool {
    value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn quoted(value: &str) -> Result<Cow<'_, str>, InvalidKey> {
    let mut visitor = StringVisitor(None);
    match (Parser::new(value).parse_item_with_visitor(&mut visitor), visitor.0) {
        (Ok(()), Some(Cow::Borrowed(text))) => Ok(Cow::Borrowed(text.as_str())),
        (Ok(()), Some(Cow::Owned(text))) => Ok(Cow::Owned(text.into())),
        _ if has_comma_outside_quotes(value) => Err(InvalidKey::List),
        _ => Err(InvalidKey::Syntax),
    }
}

/// A bare key ends at its parameters. It has no quotes, which belong to a malformed string, and no
/// commas, which separate the items of a list.
fn bare(value: &str) -> Result<Cow<'_, str>, InvalidKey> {
    let (text, parameters) = value.split_at(value.find(';').unwrap_or(value.len()));
    if has_comma_outside_quotes(value) {
        return Err(InvalidKey::List);
    }
    if text.contains('"') {
        return Err(InvalidKey::Syntax);
    }
    if !parameters.is_empty() {
        // Any item will do for parsing the parameters.
        let item = format!("a{parameters}");
        let parsed = Parser::new(&item).parse_item_with_visitor(Ignored);
        parsed.map_err(|_| InvalidKey::Syntax)?;
    }
    Ok(Cow::Borrowed(text.trim_end_matches([' ', '\t'])))
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

/// Visits an item and keeps its text if the item is a String.
struct StringVisitor<'de>(Option<Cow<'de, StringRef>>);

impl<'de> ItemVisitor<'de> for &mut StringVisitor<'de> {
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
