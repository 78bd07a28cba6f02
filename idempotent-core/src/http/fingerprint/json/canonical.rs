//! Canonical bytes for I-JSON (RFC 7493): equal values have equal bytes.
//!
//! Two texts have the same canonical bytes exactly if they have the same form under RFC 8785; tests
//! compare the two. The bytes are only hashed, never read, so they need not look like RFC 8785 and are
//! written much faster, in one pass over the text. RFC 8785 represents numbers as doubles, and parsers
//! keep one of two members with the same name. Where that would make different requests look alike, a
//! text has no canonical form.

use super::numbers;
use super::object::Members;
use super::pointer::{Excluded, Pointer};
use super::text::{Text, Token};
use crate::http::framing::push_bytes;

/// The deepest nesting that has a canonical form, so that no body can exhaust the stack.
const DEPTH: u8 = 127;

/// Appends the canonical form of an I-JSON text. For any other text it returns `false`, and what it
/// appended is to be discarded.
pub(in crate::http::fingerprint) fn push_canonical(
    out: &mut Vec<u8>,
    body: &[u8],
    excluded: &[Pointer],
) -> bool {
    let Ok(text) = std::str::from_utf8(body) else { return false };
    let mut form = CanonicalForm { input: Text::new(text), out, members: Members::new() };
    form.value(&Excluded::of(excluded), DEPTH).is_some() && form.input.is_at_end()
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

/// The canonical form while it is being written. Its methods return `None` for what has none.
struct CanonicalForm<'i, 'o> {
    input: Text<'i>,
    out: &'o mut Vec<u8>,
    /// The members of all open objects, inner ones last.
    members: Members,
}

impl CanonicalForm<'_, '_> {
    fn value(&mut self, excluded: &Excluded<'_>, depth: u8) -> Option<()> {
        match self.input.token()? {
            Token::Null => self.out.push(kind::NULL),
            Token::Bool(value) => self.out.push(if value { kind::TRUE } else { kind::FALSE }),
            Token::Number(text) => self.number(numbers::exact_double(text)?),
            Token::Text(text) => self.text(&text),
            Token::Array => self.array(excluded, depth.checked_sub(1)?)?,
            Token::Object => self.object(excluded, depth.checked_sub(1)?)?,
        }
        Some(())
    }

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

    fn array(&mut self, excluded: &Excluded<'_>, depth: u8) -> Option<()> {
        self.out.push(kind::ARRAY);
        if !self.input.mark(b']') {
            for index in 0.. {
                let start = self.out.len();
                let excluded = excluded.item(index);
                self.value(&excluded, depth)?;
                if excluded.is_all() {
                    // The other items keep their positions.
                    self.out.truncate(start);
                    self.out.push(kind::NULL);
                }
                if !self.has_more(b']')? {
                    break;
                }
            }
        }
        self.out.push(kind::END);
        Some(())
    }

    fn object(&mut self, excluded: &Excluded<'_>, depth: u8) -> Option<()> {
        self.out.push(kind::OBJECT);
        let object = self.members.open(self.out);
        if !self.input.mark(b'}') {
            loop {
                let start = self.out.len();
                let Token::Text(name) = self.input.token()? else { return None };
                self.text(&name);
                let name_range = start..self.out.len();
                if !self.input.mark(b':') {
                    return None;
                }
                let excluded = excluded.member(&name);
                self.value(&excluded, depth)?;
                self.members.push(name_range, excluded.is_all(), self.out);
                if !self.has_more(b'}')? {
                    break;
                }
            }
        }
        if !self.members.close(&object, self.out) {
            // Two members have the same name.
            return None;
        }
        self.out.push(kind::END);
        Some(())
    }

    /// Reads what follows an item: a comma, or the end of its container.
    fn has_more(&mut self, end: u8) -> Option<bool> {
        if self.input.mark(b',') {
            return Some(true);
        }
        self.input.mark(end).then_some(false)
    }
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
    fn digits_in_strings_are_not_numbers() {
        for text in [r#"{"9007199254740993":"9007199254740993"}"#, r#"["\"9007199254740993"]"#] {
            assert!(canonical(text.as_bytes(), &[]).is_some(), "{text}");
        }
        assert_eq!(canonical(br#"["\\",9007199254740993]"#, &[]), None);
    }

    #[test]
    fn a_number_is_itself_however_it_is_written() {
        let one = canonical(br#"{"amount":19.9}"#, &[]).unwrap();
        for same in [r#"{"amount":19.90}"#, r#"{"amount":1.99e1}"#, r#"{"amount":199E-1}"#] {
            assert_eq!(canonical(same.as_bytes(), &[]).unwrap(), one, "{same}");
        }
        assert_ne!(canonical(br#"{"amount":19.91}"#, &[]).unwrap(), one);
    }

    #[test]
    fn what_is_not_json_has_no_canonical_form() {
        let malformed = [
            "",
            " ",
            "[",
            "]",
            "[1",
            "[1,",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{",
            "{1:2}",
            r#"{"a"}"#,
            r#"{"a":}"#,
            r#"{"a":1,}"#,
            r#"{"a" 1}"#,
            "nul",
            "truE",
            "01",
            "1.",
            ".5",
            "+1",
            "-",
            "1e",
            "1 1",
            "\u{feff}1",
            "'a'",
            r#""a"#,
            "\"\n\"",
            r#""\x""#,
            r#""\u12""#,
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#""\ud800\u0041""#,
            r#""\u+123""#,
            "[1]]",
            "NaN",
            "\u{a0}1",
        ];
        for text in malformed {
            assert_eq!(canonical(text.as_bytes(), &[]), None, "{text}");
        }
    }

    #[test]
    fn escapes_are_what_they_stand_for() {
        let plain = canonical("[\"é😀\\\"/\"]".as_bytes(), &[]).unwrap();
        let escaped = br#"[ "\u00e9\uD83D\ude00\"\/" ]"#;
        assert_eq!(canonical(escaped, &[]).unwrap(), plain);
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
