//! [`Text`]: JSON that is being read, token by token.
//!
//! Read here and not by `serde_json`, whose feature `arbitrary_precision` presents numbers as objects:
//! any crate of a program can switch it on, and processes with and without it share fingerprints. What
//! is accepted is the same (RFC 8259), as tests with random texts check.

use std::borrow::Cow;

/// JSON that has not been read yet.
pub(super) struct Text<'a> {
    rest: &'a str,
}

/// A value, or the start of one.
pub(super) enum Token<'a> {
    Null,
    Bool(bool),
    /// The text of a number, which may be malformed.
    Number(&'a str),
    Text(Cow<'a, str>),
    Array,
    Object,
}

impl<'a> Text<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { rest: text }
    }

    /// Reads a value, or the start of one. `None` if there is none.
    pub(super) fn token(&mut self) -> Option<Token<'a>> {
        match self.skip_whitespace()? {
            b'"' => self.string().map(Token::Text),
            b'[' => self.advance(1, Token::Array),
            b'{' => self.advance(1, Token::Object),
            b't' => self.word("true", Token::Bool(true)),
            b'f' => self.word("false", Token::Bool(false)),
            b'n' => self.word("null", Token::Null),
            b'-' | b'0'..=b'9' => {
                let is_part =
                    |byte: u8| matches!(byte, b'0'..=b'9' | b'.' | b'e' | b'E' | b'+' | b'-');
                let end = self.rest.bytes().position(|byte| !is_part(byte));
                let (number, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
                self.rest = rest;
                Some(Token::Number(number))
            }
            _ => None,
        }
    }

    /// Reads a punctuation mark, if it is next.
    pub(super) fn mark(&mut self, mark: u8) -> bool {
        let is_next = self.skip_whitespace() == Some(mark);
        if is_next {
            self.rest = &self.rest[1..];
        }
        is_next
    }

    /// Whether only whitespace is left.
    pub(super) fn is_at_end(&mut self) -> bool {
        self.skip_whitespace().is_none()
    }

    /// The next byte behind the whitespace.
    fn skip_whitespace(&mut self) -> Option<u8> {
        self.rest = self.rest.trim_start_matches([' ', '\n', '\r', '\t']);
        self.rest.bytes().next()
    }

    fn advance<T>(&mut self, bytes: usize, token: T) -> Option<T> {
        self.rest = &self.rest[bytes..];
        Some(token)
    }

    fn word(&mut self, word: &str, token: Token<'a>) -> Option<Token<'a>> {
        self.rest = self.rest.strip_prefix(word)?;
        Some(token)
    }

    /// Reads a string, whose opening quotation mark is next.
    pub(super) fn string(&mut self) -> Option<Cow<'a, str>> {
        let text = self.rest.strip_prefix('"')?;
        let end = text.bytes().position(is_special)?;
        if text.as_bytes()[end] == b'"' {
            self.rest = &text[end + 1..];
            return Some(Cow::Borrowed(&text[..end]));
        }
        self.rest = text;
        self.escaped_string().map(Cow::Owned)
    }

    /// Reads the rest of a string with escapes.
    fn escaped_string(&mut self) -> Option<String> {
        let mut out = String::new();
        loop {
            let end = self.rest.bytes().position(is_special)?;
            out.push_str(&self.rest[..end]);
            let special = self.rest.as_bytes()[end];
            self.rest = &self.rest[end + 1..];
            match special {
                b'"' => return Some(out),
                b'\\' => out.push(self.escape()?),
                _ => return None,
            }
        }
    }

    /// Reads what follows a backslash.
    fn escape(&mut self) -> Option<char> {
        let letter = self.rest.chars().next()?;
        self.rest = &self.rest[letter.len_utf8()..];
        Some(match letter {
            '"' | '\\' | '/' => letter,
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'u' => {
                let unit = self.hex()?;
                // A code point beyond 16 bits is a pair of surrogates, and no other surrogate is one.
                if !(0xd800..0xe000).contains(&unit) {
                    return char::from_u32(unit);
                }
                self.rest = self.rest.strip_prefix("\\u")?;
                let low = self.hex()?;
                if unit >= 0xdc00 || !(0xdc00..0xe000).contains(&low) {
                    return None;
                }
                return char::from_u32(0x1_0000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
            }
            _ => return None,
        })
    }

    fn hex(&mut self) -> Option<u32> {
        let digits = self.rest.get(..4)?;
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        self.rest = &self.rest[4..];
        u32::from_str_radix(digits, 16).ok()
    }
}

/// What ends the plain part of a string: its end, an escape, or what may not be in it.
fn is_special(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | 0..=0x1f)
}
