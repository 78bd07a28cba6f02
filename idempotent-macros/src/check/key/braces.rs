//! Splits a key string at its braces.
//!
//! An expression in braces may itself contain strings, characters, closures and braces. To find its
//! end, quotes and brackets are read as Rust's lexer reads them.

use std::ops::Range;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Piece<'t> {
    /// Text between braces, unescaped.
    Text(String),
    Value {
        source: &'t str,
        /// The text after the `:`.
        format: Option<&'t str>,
        /// From brace to brace.
        at: Range<usize>,
    },
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) at: Range<usize>,
    pub(super) what: &'static str,
    pub(super) help: &'static str,
}

pub(super) fn pieces(text: &str) -> Result<Vec<Piece<'_>>, Fault> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        if rest.starts_with("{{") || rest.starts_with("}}") {
            plain.push(next);
            at += 2;
        } else if next == '{' {
            if !plain.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut plain)));
            }
            let (value, end) = value(text, at)?;
            pieces.push(value);
            at = end;
        } else if next == '}' {
            return Err(Fault {
                at: at..at + 1,
                what: "unmatched `}`",
                help: "write `}}` for a literal brace, or open it with `{`",
            });
        } else {
            plain.push(next);
            at += next.len_utf8();
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    Ok(pieces)
}

/// The interpolation that starts with the `{` at `open`, and its end.
fn value(text: &str, open: usize) -> Result<(Piece<'_>, usize), Fault> {
    let (colon, close) = ends(text, open)?;
    let source = &text[open + 1..colon.unwrap_or(close)];
    if source.trim().is_empty() {
        return Err(Fault {
            at: open..close + 1,
            what: "empty braces: a key string has no positional arguments",
            help: "write the expression in the braces, as in `{order.id}`",
        });
    }
    let value = Piece::Value {
        source,
        format: colon.map(|colon| &text[colon + 1..close]),
        at: open..close + 1,
    };
    Ok((value, close + 1))
}

/// The positions of the `:` before the format spec and of the `}` that ends the interpolation.
fn ends(text: &str, open: usize) -> Result<(Option<usize>, usize), Fault> {
    let mut closers = Vec::new();
    let mut at = open + 1;
    while let Some(next) = text[at..].chars().next() {
        let rest = &text[at..];
        let word_before = text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
        match next {
            '"' => at += string(rest),
            '\'' => at += character(rest),
            'r' | 'b' | 'c' if !word_before => at += raw_string(rest).unwrap_or(1),
            '}' if closers.is_empty() => return Ok((None, at)),
            ':' if closers.is_empty() && !rest.starts_with("::") => {
                return spec(text, open, at);
            }
            ':' if rest.starts_with("::") => at += 2,
            '(' | '[' | '{' => {
                closers.push(closer(next));
                at += 1;
            }
            ')' | ']' | '}' if closers.pop() != Some(next) => {
                return Err(Fault {
                    at: open..at + 1,
                    what: "the brackets in these braces do not match",
                    help: "close every bracket that is opened inside the braces",
                });
            }
            _ => at += next.len_utf8(),
        }
    }
    Err(unclosed(text, open))
}

fn spec(text: &str, open: usize, colon: usize) -> Result<(Option<usize>, usize), Fault> {
    match text[colon..].find('}') {
        Some(length) => Ok((Some(colon), colon + length)),
        None => Err(unclosed(text, open)),
    }
}

fn unclosed(text: &str, open: usize) -> Fault {
    Fault {
        at: open..text.len(),
        what: "this `{` is never closed",
        help: "close it with `}`, or write `{{` for a literal brace",
    }
}

const fn closer(open: char) -> char {
    match open {
        '(' => ')',
        '[' => ']',
        _ => '}',
    }
}

/// The length of the string at the start of `rest`, or of all of it if the string has no end.
fn string(rest: &str) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The length of the character at the start of `rest`, or 1 for the quote of a lifetime.
fn character(rest: &str) -> usize {
    let mut chars = rest.char_indices().skip(1);
    match chars.next() {
        // The character after the backslash may itself be a quote.
        Some((at, '\\')) => {
            let escaped = chars.next().map_or(0, |(_, c)| c.len_utf8());
            let from = at + 1 + escaped;
            rest[from..].find('\'').map_or(rest.len(), |end| from + end + 1)
        }
        Some(_) => match chars.next() {
            Some((at, '\'')) => at + 1,
            _ => 1,
        },
        None => 1,
    }
}

/// The length of the raw string at the start of `rest`, if there is one.
fn raw_string(rest: &str) -> Option<usize> {
    let quoted = rest.trim_start_matches(['b', 'c']).strip_prefix('r')?;
    let hashes = quoted.len() - quoted.trim_start_matches('#').len();
    let start = rest.len() - quoted.len() + hashes;
    let inside = rest[start..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = inside.find(&end).map_or(inside.len(), |at| at + end.len());
    Some(start + 1 + length)
}

#[cfg(test)]
mod tests;
