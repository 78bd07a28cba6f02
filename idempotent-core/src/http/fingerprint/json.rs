//! JSON whose equal values have equal bytes, where that is safe: I-JSON (RFC 7493).
//!
//! Two texts have one form here exactly if they have one under RFC 8785, which tests compare. It is not
//! written as RFC 8785 writes it, since nobody reads it: bytes to hash are made many times faster.
//! A canonical form goes through doubles, and keeps one of two members of one name. Where that would
//! make two different requests look alike there is none.

use std::borrow::Cow;
use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// A value as it is read: texts without escapes are those of the body, members are sorted by name.
enum Value<'a> {
    Null,
    Bool(bool),
    Number(f64),
    Text(Cow<'a, str>),
    Array(Vec<Value<'a>>),
    Object(Vec<(Cow<'a, str>, Value<'a>)>),
}

/// Where a member is that does not count.
#[derive(Clone, Debug)]
pub(super) struct Pointer(Vec<String>);

impl Pointer {
    /// A JSON pointer, or without a leading slash the name of a member of the outermost object.
    pub(super) fn new(text: &str) -> Self {
        match text.strip_prefix('/') {
            None => Self(vec![text.to_owned()]),
            Some(rest) => Self(
                rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect(),
            ),
        }
    }

    fn remove_from(&self, value: &mut Value<'_>) {
        let Some((last, steps)) = self.0.split_last() else { return };
        let mut parent = value;
        for step in steps {
            let child = match parent {
                Value::Object(members) => {
                    let member = members.iter_mut().find(|(name, _)| name == step);
                    member.map(|(_, value)| value)
                }
                Value::Array(items) => index(step).and_then(|index| items.get_mut(index)),
                _ => None,
            };
            match child {
                Some(child) => parent = child,
                None => return,
            }
        }
        match parent {
            Value::Object(members) => members.retain(|(name, _)| name != last),
            // Its neighbours keep their places.
            Value::Array(items) => {
                if let Some(item) = index(last).and_then(|index| items.get_mut(index)) {
                    *item = Value::Null;
                }
            }
            _ => {}
        }
    }
}

fn index(step: &str) -> Option<usize> {
    step.parse().ok()
}

/// The canonical form of an I-JSON text; `None` for any other text.
pub(super) fn canonical(body: &[u8], excluded: &[Pointer]) -> Option<Vec<u8>> {
    if !numbers_are_exact(body) {
        return None;
    }
    let mut input = serde_json::Deserializer::from_slice(body);
    let mut value = Unique.deserialize(&mut input).ok()?;
    input.end().ok()?;
    excluded.iter().for_each(|pointer| pointer.remove_from(&mut value));
    let mut form = Vec::with_capacity(body.len() + 64);
    write(&value, &mut form);
    Some(form)
}

/// Appends a value's form: what kind it is, how long, and its bytes, so that no two run together.
fn write(value: &Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Null => out.push(b'0'),
        Value::Bool(value) => out.push(if *value { b't' } else { b'f' }),
        Value::Number(number) => {
            // One zero, as in RFC 8785.
            let number = if *number == 0.0 { 0.0 } else { *number };
            out.push(b'n');
            out.extend_from_slice(&number.to_bits().to_le_bytes());
        }
        Value::Text(text) => write_text(text, out),
        Value::Array(items) => {
            head(b'a', items.len(), out);
            items.iter().for_each(|item| write(item, out));
        }
        Value::Object(members) => {
            head(b'o', members.len(), out);
            for (name, value) in members {
                write_text(name, out);
                write(value, out);
            }
        }
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    head(b's', text.len(), out);
    out.extend_from_slice(text.as_bytes());
}

/// A kind, and a length as LEB128.
fn head(kind: u8, mut length: usize, out: &mut Vec<u8>) {
    out.push(kind);
    while length >= 0x80 {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
}

/// Whether every number is one that a double tells from all others of so many digits: an integer
/// within 2⁵³, or up to 15 significant digits. Looks at digits alone, outside of strings.
fn numbers_are_exact(body: &[u8]) -> bool {
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

const LARGEST_SAFE_INTEGER: u64 = (1 << 53) - 1;

/// Whether an unsigned number is told from all others. What is no number is found later.
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
    // Far within what a double spans, a decimal of 15 digits is told from its neighbours.
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

/// Reads a value, and refuses objects that have a name twice.
struct Unique;

impl<'de> DeserializeSeed<'de> for Unique {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value<'de>, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("I-JSON")
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value<'de>, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value<'de>, E> {
        Ok(Value::Number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = input.next_element_seed(Unique)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value<'de>, A::Error> {
        let mut members = Vec::new();
        while let Some(name) = input.next_key_seed(Unique)? {
            let Value::Text(name) = name else { return Err(A::Error::custom("a name is a text")) };
            members.push((name, input.next_value_seed(Unique)?));
        }
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if members.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom("a name stands twice in an object"));
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_a_double_cannot_tell_apart_are_found() {
        for exact in
            ["0", "-0", "1.5", "9007199254740991", "1e10", "123456789012345e-20", "0.10000"]
        {
            assert!(numbers_are_exact(exact.as_bytes()), "{exact}");
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
            assert!(!numbers_are_exact(inexact.as_bytes()), "{inexact}");
        }
    }

    #[test]
    fn digits_in_strings_are_no_numbers() {
        for text in [r#"{"9007199254740993":"9007199254740993"}"#, r#"["\"9007199254740993"]"#] {
            assert!(numbers_are_exact(text.as_bytes()), "{text}");
        }
        assert!(!numbers_are_exact(br#"["\\",9007199254740993]"#));
    }

    #[test]
    fn the_steps_of_a_pointer_are_unescaped() {
        let body = br#"{"a/b":{"c~d":1,"e":2}}"#;
        let without = canonical(body, &[Pointer::new("/a~1b/c~0d")]).unwrap();
        assert_eq!(without, canonical(br#"{"a/b":{"e":2}}"#, &[]).unwrap());
    }

    #[test]
    fn text_that_nests_too_deep_has_no_canonical_form() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(canonical(deep.as_bytes(), &[]), None);
    }
}
