//! [`InvalidCloudEvent`]: why a message is no event.

use std::error::Error as StdError;
use std::fmt;

/// Why a message is no [`CloudEvent`](super::CloudEvent). It is parked as
/// [`Undecodable`](crate::consumer::ParkReason::Undecodable), with this text, which quotes no value.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidCloudEvent {
    /// Its content type says that it is an event in another format than JSON, or a batch of them.
    UnsupportedFormat,
    /// In structured mode: the payload is no JSON object.
    InvalidJson {
        /// The line in the payload, from 1.
        line: usize,
        /// The column in the line.
        column: usize,
    },
    /// A required attribute is missing.
    Missing(&'static str),
    /// The attribute is there twice, so nobody knows which one is meant.
    Twice(String),
    /// The event is of another version than 1.0.
    UnsupportedVersion,
    /// The attribute's value is none that it may have.
    InvalidAttribute {
        /// Its name.
        name: String,
        /// What it must be.
        expected: &'static str,
    },
    /// The `data_base64` of an event is not base64.
    InvalidBase64,
    /// The event's data is not what the handler takes; the text is that of its own decoder.
    InvalidData(String),
}

impl InvalidCloudEvent {
    pub(super) fn attribute(name: &str, expected: &'static str) -> Self {
        Self::InvalidAttribute { name: name.to_owned(), expected }
    }
}

impl fmt::Display for InvalidCloudEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnsupportedFormat => f.write_str(
                "the message is a batch of events, or an event in a format other than JSON",
            ),
            Self::InvalidJson { line, column } => {
                write!(f, "the event is no JSON object, at line {line}, column {column}")
            }
            Self::Missing(name) => write!(f, "the event has no attribute `{name}`"),
            Self::Twice(name) => write!(f, "the event has `{name}` twice"),
            Self::UnsupportedVersion => f.write_str("the event's `specversion` is not 1.0"),
            Self::InvalidAttribute { name, expected } => {
                write!(f, "the event's attribute `{name}` must be {expected}")
            }
            Self::InvalidBase64 => f.write_str("the event's `data_base64` is not base64"),
            Self::InvalidData(text) => write!(f, "the event's data: {text}"),
        }
    }
}

impl StdError for InvalidCloudEvent {}
