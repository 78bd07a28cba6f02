//! The structured content mode: attributes and data are one JSON object.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::attributes::{Attributes, SPECIFIED};
use super::error::InvalidCloudEvent;

/// The members of an object, in their order, also those whose names it has twice.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Object).map(Members)
    }
}

/// The attributes, and the bytes of the data.
pub(super) fn read(payload: &[u8]) -> Result<(Attributes, Bytes), InvalidCloudEvent> {
    let Members(members) = serde_json::from_slice(payload).map_err(|error| {
        InvalidCloudEvent::InvalidJson { line: error.line(), column: error.column() }
    })?;
    let (mut attributes, mut json, mut base64) = (Attributes::default(), None, None);
    for (name, value) in members {
        // As if it were not there.
        if value.get() == "null" && name != "data" {
            continue;
        }
        let data = match name.as_str() {
            "data" => &mut json,
            "data_base64" => &mut base64,
            _ => {
                let (text, expected) = if SPECIFIED.contains(&name.as_str()) {
                    (serde_json::from_str(value.get()).ok(), "a text")
                } else {
                    (extension(value), "a text, true or false, or an integer")
                };
                let invalid = || InvalidCloudEvent::attribute(&name, expected);
                attributes.insert(&name, text.ok_or_else(invalid)?)?;
                continue;
            }
        };
        if data.replace(value).is_some() {
            return Err(InvalidCloudEvent::Twice(name));
        }
    }
    let data = match (json, base64) {
        (Some(_), Some(_)) => return Err(InvalidCloudEvent::Twice("data".to_owned())),
        (Some(json), None) => of_json(json, attributes.get("datacontenttype")),
        (None, Some(base64)) => {
            let text: Option<String> = serde_json::from_str(base64.get()).ok();
            let bytes = text.and_then(|text| STANDARD.decode(text).ok());
            bytes.ok_or(InvalidCloudEvent::InvalidBase64)?.into()
        }
        (None, None) => Bytes::new(),
    };
    Ok((attributes, data))
}

/// The text of an attribute that the specification does not have, by its canonical form.
fn extension(value: &RawValue) -> Option<String> {
    match serde_json::from_str(value.get()).ok()? {
        serde_json::Value::String(text) => Some(text),
        serde_json::Value::Bool(is_true) => Some(is_true.to_string()),
        serde_json::Value::Number(number) => {
            number.as_i64().and_then(|number| i32::try_from(number).ok()).map(|it| it.to_string())
        }
        _ => None,
    }
}

/// The data of an event is JSON unless its content type says otherwise; then it is the text.
fn of_json(value: &RawValue, content_type: Option<&str>) -> Bytes {
    let text = match content_type {
        Some(content_type) if !is_json(content_type) => serde_json::from_str(value.get()).ok(),
        _ => None,
    };
    match text {
        Some(text) => String::into(text),
        None => Bytes::copy_from_slice(value.get().as_bytes()),
    }
}

fn is_json(content_type: &str) -> bool {
    let media_type = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type.ends_with("/json") || media_type.ends_with("+json")
}
