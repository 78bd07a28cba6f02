//! The `Content-Type` of a request: each line of it, in one form for all ways to write it.

use super::covered_headers::Lines;
use super::head_bytes::HeadBytes;
use crate::http::media_type;

/// All lines of a request's `Content-Type`. A request should have one.
pub(super) struct ContentType<'a> {
    lines: &'a Lines<'a>,
    /// Whether the body is JSON, as the first line says.
    pub(super) is_json: bool,
}

/// What nearly all clients send.
const JSON: &[u8] = b"application/json";

impl<'a> ContentType<'a> {
    pub(super) fn of(lines: &'a Lines<'a>) -> Self {
        let is_json = lines.first().is_some_and(|line| line == JSON || is_json(line));
        Self { lines, is_json }
    }

    /// Appends each line: the media type in lower case, then each parameter with its name in lower case and
    /// its value as it is. Spaces around them do not count, and neither does UTF-8 as the charset of JSON,
    /// which has no other (RFC 8259).
    pub(super) fn push(&self, head: &mut HeadBytes) {
        for line in self.lines.iter() {
            if line == JSON {
                head.push(JSON);
            } else {
                let mut parts = Parts(line);
                let media_type = parts.next().unwrap_or_default().trim_ascii();
                head.push_lower(media_type, media_type.len());
                for parameter in parts.map(<[u8]>::trim_ascii) {
                    if !(parameter.is_empty() || (self.is_json && is_utf_8(parameter))) {
                        push_parameter(head, parameter);
                    }
                }
            }
            head.end_list();
        }
        head.end_list();
    }
}

fn is_json(content_type: &[u8]) -> bool {
    let essence = media_type::essence(content_type);
    let ends_with = |suffix: &[u8]| {
        let end = essence.len().checked_sub(suffix.len()).map(|at| &essence[at..]);
        end.is_some_and(|end| end.eq_ignore_ascii_case(suffix))
    };
    ends_with(b"/json") || ends_with(b"+json")
}

fn is_utf_8(parameter: &[u8]) -> bool {
    parameter.eq_ignore_ascii_case(b"charset=utf-8")
        || parameter.eq_ignore_ascii_case(b"charset=\"utf-8\"")
}

fn push_parameter(head: &mut HeadBytes, parameter: &[u8]) {
    let name = parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len());
    head.push_lower(parameter, name);
}

/// What semicolons separate, unless they are within quotes.
struct Parts<'a>(&'a [u8]);

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let (mut inside, mut escaped) = (false, false);
        let end = self.0.iter().position(|byte| {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if inside => escaped = true,
                b'"' => inside = !inside,
                b';' => return !inside,
                _ => {}
            }
            false
        });
        let (part, rest) = match end {
            Some(end) => (&self.0[..end], &self.0[end + 1..]),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        Some(part)
    }
}
