//! Canonical bytes for I-JSON (RFC 7493): equal values have equal bytes.
//!
//! Two texts have the same canonical bytes exactly if they have the same form under RFC 8785; tests
//! compare the two. The bytes are only hashed, never read, so they need not look like RFC 8785 and are
//! written much faster, in one pass over the text. RFC 8785 represents numbers as doubles, and parsers
//! keep one of two members with the same name. Where that would make different requests look alike, a
//! text has no canonical form.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use super::numbers::{self, LARGEST_SAFE_INTEGER};
use super::object::Members;
use super::pointer::{Excluded, Pointer};
use crate::http::framing::push_bytes;

/// Appends the canonical form of an I-JSON text. For any other text it returns `false`, and what it
/// appended is to be discarded.
pub(in crate::http::fingerprint) fn push_canonical(
    out: &mut Vec<u8>,
    body: &[u8],
    excluded: &[Pointer],
) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut input = serde_json::Deserializer::from_str(text);
    let mut form = CanonicalForm { out, members: Members::new(), fractions: false };
    let excluded = Excluded::of(excluded);
    let written = ValueWriter { form: &mut form, excluded }.deserialize(&mut input);
    if written.and_then(|()| input.end()).is_err() {
        return false;
    }
    // Integers were checked when they were parsed. Other numbers must be checked in the text.
    !form.fractions || numbers::are_exact(body)
}

/// The first byte of each value, so that different values never have the same bytes.
mod kind {
    pub(super) const NULL: u8 = b'0';
    pub(super) const FALSE: u8 = b'f';
    pub(super) const TRUE: u8 = b't';
    pub(super) const NUMBER: u8 = b'n';
    pub(super) const TEXT: u8 = b's';
    pub(super) const ARRAY: u8 = b'a';
    pub(super) const OBJECT: u8 = b'o';
    /// The end of an array or an object.
    pub(super) const END: u8 = b'e';
}

/// The canonical form while it is being written.
struct CanonicalForm<'o> {
    out: &'o mut Vec<u8>,
    /// The members of all open objects, inner ones last.
    members: Members,
    /// Whether there was a number that is not a 64-bit integer.
    fractions: bool,
}

impl CanonicalForm<'_> {
    fn number(&mut self, number: f64) {
        // Negative zero is zero, as in RFC 8785.
        let number = if number == 0.0 { 0.0 } else { number };
        self.out.push(kind::NUMBER);
        self.out.extend_from_slice(&number.to_bits().to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.out.push(kind::TEXT);
        push_bytes(self.out, text.as_bytes());
    }
}

/// Writes a value while serde reads it.
struct ValueWriter<'f, 'o, 'x> {
    form: &'f mut CanonicalForm<'o>,
    excluded: Excluded<'x>,
}

impl<'de> DeserializeSeed<'de> for ValueWriter<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueWriter<'_, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("I-JSON")
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.form.out.push(kind::NULL);
        Ok(())
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.form.out.push(if value { kind::TRUE } else { kind::FALSE });
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        check_safe(value)?;
        self.form.number(value as f64);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        check_safe(value.unsigned_abs())?;
        self.form.number(value as f64);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        self.form.fractions = true;
        self.form.number(value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        self.form.text(value);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut input: A) -> Result<(), A::Error> {
        let Self { form, excluded } = self;
        form.out.push(kind::ARRAY);
        for index in 0.. {
            let start = form.out.len();
            let excluded = excluded.item(index);
            let is_excluded = excluded.is_all();
            if input.next_element_seed(ValueWriter { form, excluded })?.is_none() {
                break;
            }
            if is_excluded {
                // The other items keep their positions.
                form.out.truncate(start);
                form.out.push(kind::NULL);
            }
        }
        form.out.push(kind::END);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut input: A) -> Result<(), A::Error> {
        let Self { form, excluded } = self;
        form.out.push(kind::OBJECT);
        let object = form.members.open(form.out);
        loop {
            let start = form.out.len();
            let Some(excluded) = input.next_key_seed(NameWriter { form, excluded: &excluded })?
            else {
                break;
            };
            let name = start..form.out.len();
            let is_excluded = excluded.is_all();
            input.next_value_seed(ValueWriter { form, excluded })?;
            form.members.push(name, is_excluded, form.out);
        }
        if !form.members.close(&object, form.out) {
            return Err(A::Error::custom("an object has a duplicate name"));
        }
        form.out.push(kind::END);
        Ok(())
    }
}

/// Writes the name of a member, and returns what to exclude from its value.
struct NameWriter<'f, 'o, 'e, 'x> {
    form: &'f mut CanonicalForm<'o>,
    excluded: &'e Excluded<'x>,
}

impl<'de, 'x> DeserializeSeed<'de> for NameWriter<'_, '_, '_, 'x> {
    type Value = Excluded<'x>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Excluded<'x>, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'x> Visitor<'_> for NameWriter<'_, '_, '_, 'x> {
    type Value = Excluded<'x>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E>(self, name: &str) -> Result<Excluded<'x>, E> {
        self.form.text(name);
        Ok(self.excluded.member(name))
    }
}

fn check_safe<E: Error>(integer: u64) -> Result<(), E> {
    if integer > LARGEST_SAFE_INTEGER {
        return Err(E::custom("the integer is not exact as a double"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(body: &[u8], excluded: &[Pointer]) -> Option<Vec<u8>> {
        let mut form = Vec::new();
        push_canonical(&mut form, body, excluded).then_some(form)
    }

    #[test]
    fn members_are_in_one_order_at_every_depth() {
        let written = [
            r#"{"b":{"d":1,"c":[{"f":2,"e":3}]},"a":4,"":5}"#,
            r#"{"":5,"a":4,"b":{"c":[{"e":3,"f":2}],"d":1}}"#,
        ];
        let one = canonical(written[0].as_bytes(), &[]).unwrap();
        assert_eq!(canonical(written[1].as_bytes(), &[]).unwrap(), one);
    }

    #[test]
    fn values_do_not_run_together() {
        let apart =
            ["[]", "{}", "[[]]", "[{}]", r#"["e"]"#, r#"[["e"],[]]"#, r#"[[],"e"]"#, "[[],[]]"];
        for (i, left) in apart.iter().enumerate() {
            for right in &apart[i + 1..] {
                let form = |text: &str| canonical(text.as_bytes(), &[]).unwrap();
                assert_ne!(form(left), form(right), "{left} and {right}");
            }
        }
    }

    #[test]
    fn integers_are_accepted_if_a_double_is_exact() {
        for exact in ["9007199254740991", "-9007199254740991", "-0", "0.5", "1e3"] {
            assert!(canonical(exact.as_bytes(), &[]).is_some(), "{exact}");
        }
        for inexact in ["9007199254740992", "-9007199254740992", "18446744073709551616", "1e100"] {
            assert_eq!(canonical(inexact.as_bytes(), &[]), None, "{inexact}");
        }
    }

    #[test]
    fn the_steps_of_a_pointer_are_unescaped() {
        let body = br#"{"a/b":{"c~d":1,"e":2}}"#;
        let without = canonical(body, &[Pointer::new("/a~1b/c~0d")]).unwrap();
        assert_eq!(without, canonical(br#"{"a/b":{"e":2}}"#, &[]).unwrap());
    }

    #[test]
    fn excluded_members_must_be_i_json_too() {
        let excluded = [Pointer::new("at")];
        assert!(canonical(br#"{"at":1}"#, &excluded).is_some());
        for body in [r#"{"at":1,"at":2}"#, r#"{"at":9007199254740993}"#, r#"{"at":0.1e100}"#] {
            assert_eq!(canonical(body.as_bytes(), &excluded), None, "{body}");
        }
    }

    #[test]
    fn deeply_nested_text_has_no_canonical_form() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(canonical(deep.as_bytes(), &[]), None);
    }
}
