//! JSON whose equal values have equal bytes, where that is safe: I-JSON (RFC 7493).
//!
//! Two texts have one form here exactly if they have one under RFC 8785, which tests compare. It is not
//! written as RFC 8785 writes it, since nobody reads it: bytes to hash are made many times faster, as
//! the text is read. A canonical form goes through doubles, and keeps one of two members of one name.
//! Where that would make two different requests look alike there is none.

mod numbers;
mod object;
mod pointer;

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

use self::numbers::LARGEST_SAFE_INTEGER;
use self::object::Members;
use self::pointer::Excluded;
pub(super) use self::pointer::Pointer;
use crate::http::lines::push_bytes;

/// Appends the canonical form of an I-JSON text. For any other text it says no, and what it appended
/// means nothing.
pub(super) fn push_canonical(out: &mut Vec<u8>, body: &[u8], excluded: &[Pointer]) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut input = serde_json::Deserializer::from_str(text);
    let mut form = Form { out, members: Members::new(), fractions: false };
    let excluded = Excluded::of(excluded);
    let written = Written { form: &mut form, excluded }.deserialize(&mut input);
    if written.and_then(|()| input.end()).is_err() {
        return false;
    }
    // What an integer is tells its value. Of other numbers the text must be looked at.
    !form.fractions || numbers::are_exact(body)
}

/// What a value is, so that no two run together.
mod kind {
    pub(super) const NULL: u8 = b'0';
    pub(super) const FALSE: u8 = b'f';
    pub(super) const TRUE: u8 = b't';
    pub(super) const NUMBER: u8 = b'n';
    pub(super) const TEXT: u8 = b's';
    pub(super) const ARRAY: u8 = b'a';
    pub(super) const OBJECT: u8 = b'o';
    /// Of an array or an object.
    pub(super) const END: u8 = b'e';
}

/// A form while it is written.
struct Form<'o> {
    out: &'o mut Vec<u8>,
    /// Those of the objects that are open, inner ones last.
    members: Members,
    /// Whether there was a number that is not an integer of 64 bits.
    fractions: bool,
}

impl Form<'_> {
    fn number(&mut self, number: f64) {
        // One zero, as in RFC 8785.
        let number = if number == 0.0 { 0.0 } else { number };
        self.out.push(kind::NUMBER);
        self.out.extend_from_slice(&number.to_bits().to_le_bytes());
    }

    fn text(&mut self, text: &str) {
        self.out.push(kind::TEXT);
        push_bytes(self.out, text.as_bytes());
    }
}

/// Writes a value as it is read.
struct Written<'f, 'o, 'x> {
    form: &'f mut Form<'o>,
    excluded: Excluded<'x>,
}

impl<'de> DeserializeSeed<'de> for Written<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Written<'_, '_, '_> {
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
        safe(value)?;
        self.form.number(value as f64);
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        safe(value.unsigned_abs())?;
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
            if input.next_element_seed(Written { form, excluded })?.is_none() {
                break;
            }
            if is_excluded {
                // Its neighbours keep their places.
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
            let Some(excluded) = input.next_key_seed(Name { form, excluded: &excluded })? else {
                break;
            };
            let name = start..form.out.len();
            let counts = !excluded.is_all();
            input.next_value_seed(Written { form, excluded })?;
            form.members.push(name, counts, form.out);
        }
        if !form.members.close(&object, form.out) {
            return Err(A::Error::custom("a name stands twice in an object"));
        }
        form.out.push(kind::END);
        Ok(())
    }
}

/// Writes a member's name, and gives what is excluded of its value.
struct Name<'f, 'o, 'e, 'x> {
    form: &'f mut Form<'o>,
    excluded: &'e Excluded<'x>,
}

impl<'de, 'x> DeserializeSeed<'de> for Name<'_, '_, '_, 'x> {
    type Value = Excluded<'x>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Excluded<'x>, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'x> Visitor<'_> for Name<'_, '_, '_, 'x> {
    type Value = Excluded<'x>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Excluded<'x>, E> {
        self.form.text(name);
        Ok(self.excluded.member(name))
    }
}

fn safe<E: Error>(integer: u64) -> Result<(), E> {
    if integer > LARGEST_SAFE_INTEGER {
        return Err(E::custom("a double does not tell it from its neighbours"));
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
    fn integers_are_exact_within_what_a_double_tells() {
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
    fn what_is_excluded_must_be_i_json_too() {
        let excluded = [Pointer::new("at")];
        assert!(canonical(br#"{"at":1}"#, &excluded).is_some());
        for body in [r#"{"at":1,"at":2}"#, r#"{"at":9007199254740993}"#, r#"{"at":0.1e100}"#] {
            assert_eq!(canonical(body.as_bytes(), &excluded), None, "{body}");
        }
    }

    #[test]
    fn text_that_nests_too_deep_has_no_canonical_form() {
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(canonical(deep.as_bytes(), &[]), None);
    }
}
