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
        let end = plain_length(text.as_bytes())?;
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
            let end = plain_length(self.rest.as_bytes())?;
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

/// How many bytes the plain part of a string has; `None` if nothing ends it.
fn plain_length(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    // Looking at a whole chunk takes about as many instructions as looking at two bytes.
    while let Some(chunk) = bytes[at..].first_chunk::<16>() {
        if chunk.iter().fold(false, |found, byte| found | is_special(*byte)) {
            break;
        }
        at += chunk.len();
    }
    let rest = &bytes[at..];
    rest.iter().position(|byte| is_special(*byte)).map(|end| at + end)
}

/// What ends the plain part of a string: its end, an escape, or what may not be in it.
const fn is_special(byte: u8) -> bool {
    // Without branches, so that the compiler can look at many bytes at once.
    (byte == b'"') | (byte == b'\\') | (byte < 0x20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_string_is_found_wherever_it_is() {
        for special in [b'"', b'\\', 0, 0x1f] {
            for at in 0..50 {
                let mut text = [0xc3; 50];
                text[at] = special;
                assert_eq!(plain_length(&text), Some(at), "{special} at {at}");
                assert_eq!(plain_length(&text[..at]), None);
            }
        }
    }
}
