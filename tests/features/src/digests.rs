//! What is compared byte by byte: fingerprints of requests, keys by content, ids, derived keys, problem documents.

use std::error::Error;
use std::fmt::Write;

use bytes::Bytes;
use http::Request;
use idempotent_core::call::ContentKey;
use idempotent_core::http::{InvalidKey, Problem, RequestFingerprint};
use idempotent_core::model::RecordId;

use crate::values;

/// A line for each.
pub(crate) fn lines() -> Result<String, Box<dyn Error>> {
    let mut lines = String::new();
    for body in values::JSON.iter().chain(values::BODIES) {
        let digest = fingerprint(&RequestFingerprint::new(), body)?;
        writeln!(lines, "digest body {digest} {body}")?;
    }
    let excluding =
        fingerprint(&RequestFingerprint::new().exclude("at"), r#"{"b":1.50,"at":1,"a":{}}"#)?;
    writeln!(lines, "digest excluding {excluding}")?;
    let parsed = RequestFingerprint::from_fn(|_, body| {
        serde_json::from_slice::<serde_json::Value>(body).unwrap_or_default()
    });
    for body in values::JSON {
        writeln!(lines, "digest value {} {body}", fingerprint(&parsed, body)?)?;
    }
    for body in values::JSON {
        let value = serde_json::from_str::<serde_json::Value>(body)?;
        let id = RecordId::of("shop.charge", None, &ContentKey::of(&value))?;
        writeln!(lines, "digest content {id} {body}")?;
    }
    let id = RecordId::of("shop.charge", Some(&"tenant"), &("order", 7))?;
    writeln!(lines, "digest id {id}")?;
    writeln!(lines, "digest derived {}", id.derive("stripe"))?;
    let problem = Problem::from(InvalidKey::Missing).into_response::<Bytes>().into_body();
    writeln!(lines, "digest problem {}", String::from_utf8(problem.to_vec())?)?;
    Ok(lines)
}

fn fingerprint(fingerprint: &RequestFingerprint, body: &str) -> Result<String, Box<dyn Error>> {
    let request = Request::post("/orders").header("content-type", "application/json").body(())?;
    let body = Bytes::copy_from_slice(body.as_bytes());
    let digest = fingerprint.digest(&request.into_parts().0, &body)?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}
