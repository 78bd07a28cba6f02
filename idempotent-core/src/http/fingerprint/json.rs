//! JSON whose equal values have equal bytes, where that is safe: I-JSON (RFC 7493).
//!
//! A canonical form goes through doubles, and keeps one of two members of one name. Where that would
//! make two different requests look alike there is none.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

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

    fn remove_from(&self, value: &mut Value) {
        let Some((last, steps)) = self.0.split_last() else { return };
        let mut parent = value;
        for step in steps {
            let child = match parent {
                Value::Object(members) => members.get_mut(step),
                Value::Array(items) => index(step).and_then(|index| items.get_mut(index)),
                _ => None,
            };
            match child {
                Some(child) => parent = child,
                None => return,
            }
        }
        match parent {
            Value::Object(members) => drop(members.remove(last)),
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

/// The canonical form of an I-JSON text, RFC 8785; `None` for any other text.
pub(super) fn canonical(body: &[u8], excluded: &[Pointer]) -> Option<Vec<u8>> {
    if !numbers_are_exact(body) {
        return None;
    }
    let mut input = serde_json::Deserializer::from_slice(body);
    let mut value = Unique.deserialize(&mut input).ok()?;
    input.end().ok()?;
    excluded.iter().for_each(|pointer| pointer.remove_from(&mut value));
    serde_json_canonicalizer::to_vec(&value).ok()
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
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Value, D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Unique {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("I-JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not finite"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = input.next_element_seed(Unique)? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<Value, A::Error> {
        let mut members = Map::new();
        while let Some(name) = input.next_key::<String>()? {
            let value = input.next_value_seed(Unique)?;
            if members.insert(name, value).is_some() {
                return Err(A::Error::custom("a name stands twice in an object"));
            }
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
        let canonical = canonical(br#"{"a/b":{"c~d":1,"e":2}}"#, &[Pointer::new("/a~1b/c~0d")]);
        assert_eq!(canonical.unwrap(), br#"{"a/b":{"e":2}}"#);
    }

    #[test]
    fn text_that_nests_too_deep_has_no_canonical_form() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(canonical(deep.as_bytes(), &[]), None);
    }
}
