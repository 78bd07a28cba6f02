//! What must hold of any body of a request that says it is JSON, and has a fingerprint. A line feed
//! parts the bytes into two bodies.

use http::Request;
use http::header::CONTENT_TYPE;
use idempotent_core::http::RequestFingerprint;
use serde_json::Value;

/// Checks it.
///
/// # Panics
///
/// When it does not hold.
pub fn check(bytes: &[u8]) {
    let mut bodies = bytes.splitn(2, |byte| *byte == b'\n');
    let (one, other) = (bodies.next().unwrap_or_default(), bodies.next().unwrap_or_default());
    let alike = digest(one) == digest(other);
    if one == other {
        assert!(alike, "a body is like itself");
    } else if alike {
        assert_eq!(canonical(one), canonical(other), "two requests look like one");
    }
    // Written in another way it has the same fingerprint only by its value, and so however written.
    let Ok(value) = serde_json::from_slice::<Value>(one) else { return };
    let (compact, pretty) = (value.to_string(), format!("{value:#}"));
    if compact.as_bytes() != one && digest(compact.as_bytes()) == digest(one) {
        assert_eq!(digest(pretty.as_bytes()), digest(one), "white space says nothing");
    }
}

/// The form that RFC 8785 has for a body which is I-JSON. No other is like another: there that form is
/// the same for different requests.
fn canonical(body: &[u8]) -> Vec<u8> {
    let value: Value = serde_json::from_slice(body).expect("only JSON is like other bytes");
    assert_eq!(members(&value), colons(body), "no name stands twice");
    serde_json_canonicalizer::to_vec(&value).expect("values have a canonical form")
}

/// How many members a value has, if its integers are those that doubles tell apart.
fn members(value: &Value) -> usize {
    match value {
        Value::Number(number) => {
            let size = number.as_u64().or(number.as_i64().map(i64::unsigned_abs));
            assert!(size.is_none_or(|size| size < 1 << 53), "{number} is one of several");
            0
        }
        Value::Array(items) => items.iter().map(members).sum(),
        Value::Object(object) => object.values().map(|value| 1 + members(value)).sum(),
        _ => 0,
    }
}

/// How many members a text of JSON has, which stand there as often as they are written.
fn colons(body: &[u8]) -> usize {
    let (mut inside, mut escaped, mut colons) = (false, false, 0);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => inside = !inside,
            b':' if !inside => colons += 1,
            _ => {}
        }
    }
    colons
}

fn digest(body: &[u8]) -> [u8; 32] {
    let request = Request::post("/").header(CONTENT_TYPE, "application/json");
    let (parts, ()) = request.body(()).expect("a head without faults").into_parts();
    let digest = RequestFingerprint::new().digest(&parts, &body.to_vec().into());
    digest.expect("every body has a fingerprint")
}
