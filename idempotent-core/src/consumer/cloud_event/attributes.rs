//! [`Attributes`]: the context of an event, whichever mode it came in.

use std::collections::BTreeMap;
use std::time::SystemTime;

use super::error::InvalidCloudEvent;
use super::text::{is_text, is_uri, is_uri_reference};
use super::time::parse;

const VERSION: &str = "1.0";

/// The attributes that the specification itself has, all of which are texts in JSON.
pub(super) const SPECIFIED: [&str; 8] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"];

/// Names and values, as text. The names are unique.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Attributes(BTreeMap<String, String>);

impl Attributes {
    pub(super) fn insert(&mut self, name: &str, value: String) -> Result<(), InvalidCloudEvent> {
        let is_name = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        if name.is_empty() || !name.bytes().all(is_name) {
            return Err(InvalidCloudEvent::attribute(
                name,
                "named by lower-case letters and digits",
            ));
        }
        if name == "data" {
            return Err(InvalidCloudEvent::attribute(name, "the payload in this mode"));
        }
        match self.0.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(InvalidCloudEvent::Twice(name.to_owned())),
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// A required one, which is there once they are [valid](Self::validated).
    pub(super) fn required(&self, name: &str) -> &str {
        self.get(name).unwrap_or_default()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn time(&self) -> Option<SystemTime> {
        self.get("time").and_then(parse)
    }

    /// The same, if it is what the specification asks for.
    pub(super) fn validated(self) -> Result<Self, InvalidCloudEvent> {
        // First, since the rules are those of a version.
        match self.get("specversion") {
            Some(VERSION) => {}
            Some(_) => return Err(InvalidCloudEvent::UnsupportedVersion),
            None => return Err(InvalidCloudEvent::Missing("specversion")),
        }
        for name in ["id", "source", "type"] {
            if self.get(name).is_none() {
                return Err(InvalidCloudEvent::Missing(name));
            }
        }
        for (name, value) in self.all() {
            let (is_valid, expected) = match name {
                "id" | "type" | "subject" | "datacontenttype" => {
                    (!value.is_empty() && is_text(value), "a text that is not empty")
                }
                "source" => (is_uri_reference(value), "a URI, or a reference to one"),
                "dataschema" => (is_uri(value), "a URI"),
                "time" => (parse(value).is_some(), "a time by RFC 3339"),
                _ => (is_text(value), "a text without control characters"),
            };
            if !is_valid {
                return Err(InvalidCloudEvent::attribute(name, expected));
            }
        }
        Ok(self)
    }
}
