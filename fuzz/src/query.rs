//! What must hold of the queries of two requests. A line feed parts the bytes into two queries.

use std::collections::BTreeMap;

use http::Request;
use idempotent_core::http::RequestFingerprint;

/// Checks it.
///
/// # Panics
///
/// When it does not hold.
pub fn check(bytes: &[u8]) {
    let mut queries = bytes.splitn(2, |byte| *byte == b'\n');
    let (one, other) = (queries.next().unwrap_or_default(), queries.next().unwrap_or_default());
    let (Some(first), Some(second)) = (digest(one), digest(other)) else { return };
    if one == other {
        assert_eq!(first, second, "a query is like itself");
    } else if first == second {
        for reading in READINGS {
            assert_eq!(read(one, reading), read(other, reading), "two requests look like one");
        }
    }
    // Where no handler takes two names for the same, their order says nothing. Some take a plus for a space.
    let mut parameters: Vec<_> = one.split(|byte| *byte == b'&').collect();
    let names = read(one, Reading { plus_is_space: true, ignores_case: true });
    let has_plus = one.contains(&b'+') || names.keys().any(|name| name.contains(&b'+'));
    if names.len() == parameters.len() && !has_plus {
        parameters.reverse();
        assert_eq!(digest(&parameters.join(&b'&')), Some(first), "the order of names counts");
    }
}

/// How a handler reads a query.
#[derive(Clone, Copy)]
struct Reading {
    plus_is_space: bool,
    ignores_case: bool,
}

/// How they do, as far as they differ.
const READINGS: [Reading; 4] = [
    Reading { plus_is_space: false, ignores_case: false },
    Reading { plus_is_space: false, ignores_case: true },
    Reading { plus_is_space: true, ignores_case: false },
    Reading { plus_is_space: true, ignores_case: true },
];

/// The values of each name, in their order.
fn read(query: &[u8], reading: Reading) -> BTreeMap<Vec<u8>, Vec<Option<Vec<u8>>>> {
    let mut values = BTreeMap::<_, Vec<_>>::new();
    for parameter in query.split(|byte| *byte == b'&') {
        let mut parts = parameter.splitn(2, |byte| *byte == b'=');
        let mut name = decoded(parts.next().unwrap_or_default(), reading);
        if reading.ignores_case {
            name.make_ascii_lowercase();
        }
        values.entry(name).or_default().push(parts.next().map(|value| decoded(value, reading)));
    }
    values
}

fn decoded(text: &[u8], reading: Reading) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let digits = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let byte = digits.filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        match byte.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if text[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                let is_space = text[at] == b'+' && reading.plus_is_space;
                out.push(if is_space { b' ' } else { text[at] });
                at += 1;
            }
        }
    }
    out
}

/// `None` for what no target of a request contains.
fn digest(query: &[u8]) -> Option<[u8; 32]> {
    let target = [b"/?", query].concat();
    let request = Request::post(target.as_slice()).body(()).ok()?;
    let (parts, ()) = request.into_parts();
    // A fragment is not sent, and ends the query.
    if parts.uri.query().map(str::as_bytes) != Some(query) {
        return None;
    }
    let digest = RequestFingerprint::new().digest(&parts, &b""[..].into());
    Some(digest.expect("every request has a fingerprint"))
}
