//! The response of an HTTP layer, as an operator writes it: `{"status": 201, "headers": {…}, "body": …}`.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use idempotent_core::http::StoredResponse;
use serde::Deserialize;

use crate::failure::Failure;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, expecting = "an object")]
struct Written {
    status: u16,
    #[serde(default)]
    headers: Headers,
    #[serde(default)]
    body: serde_json::Value,
}

/// A map, or a list of pairs, as `show` prints them.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the headers are neither an object of texts nor a list of pairs")]
enum Headers {
    Map(std::collections::BTreeMap<String, String>),
    Lines(Vec<(String, String)>),
}

impl Default for Headers {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

/// Whether a type of this name is the response of a layer.
pub(super) fn is_one(name: &str) -> bool {
    name.starts_with("idempotent_core::http::") && name.ends_with("::StoredResponse")
}

/// Reads a response. A body that is a text is sent as it stands, and any other one as JSON.
pub(super) fn parse(json: &str) -> Result<StoredResponse, Failure> {
    let wrong = |what: String| {
        Failure::usage(format!(
            "{what}: a response is {{\"status\": 201, \"headers\": {{\"name\": \"value\"}}, \"body\": …}}"
        ))
    };
    let written: Written = serde_json::from_str(json).map_err(|error| wrong(error.to_string()))?;
    // What is below is no end of an answer, and nothing is above.
    let status = Some(written.status).filter(|status| (200..600).contains(status));
    let status = status.and_then(|status| StatusCode::from_u16(status).ok());
    let status = status.ok_or_else(|| wrong(format!("{} is no status", written.status)))?;
    let lines = match written.headers {
        Headers::Map(map) => map.into_iter().collect(),
        Headers::Lines(lines) => lines,
    };
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        let name = HeaderName::try_from(name).map_err(|error| wrong(error.to_string()))?;
        let value = HeaderValue::try_from(value).map_err(|error| wrong(error.to_string()))?;
        headers.append(name, value);
    }
    let body = match written.body {
        serde_json::Value::Null => Bytes::new(),
        serde_json::Value::String(text) => text.into(),
        body => {
            headers
                .entry(CONTENT_TYPE)
                .or_insert_with(|| HeaderValue::from_static("application/json"));
            body.to_string().into()
        }
    };
    Ok(StoredResponse::new(status, headers, body))
}
