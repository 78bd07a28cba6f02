//! [`FromMessage`]: what a handler takes, made of a message.

use std::convert::Infallible;
use std::error::Error as StdError;
use std::fmt;

use bytes::Bytes;
use serde::de::DeserializeOwned;

use super::message::Message;

/// What a handler takes as its first argument, made of a message.
///
/// [`Json`] decodes the payload; `Vec<u8>`, [`Bytes`] and `String` are the payload as it is, and [`Message`] is the
/// whole message. [`CloudEvent`](super::CloudEvent) is one of these with the attributes of an event. With the feature `tonic`,
/// `Protobuf` decodes with prost.
///
/// ```
/// use idempotent_core::consumer::{FromMessage, Message};
///
/// /// An order whose tenant is in a header.
/// struct Order {
///     tenant: String,
///     text: String,
/// }
///
/// impl FromMessage for Order {
///     type Error = &'static str;
///
///     fn from_message(message: &Message) -> Result<Self, Self::Error> {
///         let tenant = message.header("tenant").ok_or("the header `tenant` is missing")?;
///         let text = String::from_message(message).map_err(|_| "the text is not UTF-8")?;
///         Ok(Self { tenant: tenant.to_owned(), text })
///     }
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made of a message",
    label = "must implement `FromMessage`",
    note = "write `Json<{Self}>` to decode the payload as JSON, or take `Vec<u8>`, `String` or a `Message`"
)]
pub trait FromMessage: Sized + Send + 'static {
    /// Why a message is none of these. It is [parked](super::ParkReason::Undecodable), with this text. It should
    /// not contain the payload.
    type Error: fmt::Display;

    /// Decodes a message.
    ///
    /// # Errors
    ///
    /// If the message is none of these, and never will be.
    fn from_message(message: &Message) -> Result<Self, Self::Error>;
}

/// A payload in JSON.
///
/// ```
/// use idempotent_core::consumer::{FromMessage, Json, Message};
///
/// let message = Message::new("7", "numbers", "[1, 2]");
/// let Json(numbers) = Json::<Vec<u32>>::from_message(&message)?;
/// assert_eq!(numbers, [1, 2]);
/// # Ok::<(), idempotent_core::consumer::InvalidPayload>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Json<T>(pub T);

/// Why a payload cannot be decoded. It does not quote the payload.
#[derive(Debug)]
pub struct InvalidPayload(String);

impl InvalidPayload {
    #[cfg(feature = "tonic")]
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl fmt::Display for InvalidPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for InvalidPayload {}

impl<T: DeserializeOwned + Send + 'static> FromMessage for Json<T> {
    type Error = InvalidPayload;

    fn from_message(message: &Message) -> Result<Self, Self::Error> {
        serde_json::from_slice(message.payload()).map(Json).map_err(|error| {
            // The error's own text may quote a value.
            let what = if error.is_data() { "not of this type" } else { "no valid JSON" };
            let (line, column) = (error.line(), error.column());
            InvalidPayload(format!("the payload is {what}, at line {line}, column {column}"))
        })
    }
}

impl FromMessage for Bytes {
    type Error = Infallible;

    fn from_message(message: &Message) -> Result<Self, Self::Error> {
        Ok(message.payload().clone())
    }
}

impl FromMessage for Vec<u8> {
    type Error = Infallible;

    fn from_message(message: &Message) -> Result<Self, Self::Error> {
        Ok(message.payload().to_vec())
    }
}

impl FromMessage for String {
    type Error = InvalidPayload;

    fn from_message(message: &Message) -> Result<Self, Self::Error> {
        let text = std::str::from_utf8(message.payload());
        text.map(str::to_owned).map_err(|_| InvalidPayload("the payload is not UTF-8".to_owned()))
    }
}

impl FromMessage for Message {
    type Error = Infallible;

    fn from_message(message: &Message) -> Result<Self, Self::Error> {
        Ok(message.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_error_of_invalid_json_does_not_quote_it() {
        for payload in [r#"{"card":"4242-secret"}"#, "\"secret\"", "[1, secret]"] {
            let message = Message::new("7", "numbers", payload);
            let error = Json::<Vec<u32>>::from_message(&message).unwrap_err().to_string();
            assert!(!error.contains("secret") && error.contains("line 1"), "{error}");
        }
    }

    #[test]
    fn bytes_and_text_are_the_payload_as_it_is() {
        let message = Message::new("7", "texts", "tea");
        assert_eq!(Vec::<u8>::from_message(&message).unwrap(), b"tea");
        assert_eq!(String::from_message(&message).unwrap(), "tea");
        assert!(String::from_message(&Message::new("8", "texts", vec![0xff])).is_err());
    }
}
