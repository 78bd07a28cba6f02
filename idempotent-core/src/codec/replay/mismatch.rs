//! [`ReplayMismatch`]: why a result would not be replayed as it is.

use std::error::Error as StdError;
use std::fmt;

use rmp_serde::decode::Error as DecodeError;
use rmp_serde::encode::Error as EncodeError;

/// A replay of this value would not return it: what was read back from its encoding is another value,
/// or nothing could be read back, or it could not be encoded.
///
/// It names the field, if it can, and never the values.
///
/// ```
/// # #[cfg(feature = "testing")] {
/// use idempotent_core::testing::survives;
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Debug, PartialEq, Serialize, Deserialize)]
/// struct Receipt {
///     id: u64,
///     #[serde(skip)]
///     total: u64,
/// }
///
/// let lost = survives(&Receipt { id: 7, total: 1990 }).unwrap_err();
/// assert_eq!(lost.field(), Some("total"));
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayMismatch {
    field: Option<String>,
    reason: Reason,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Reason {
    NotEncoded(String),
    NotDecoded(String),
    Different,
    /// Different, although both are encoded in the same way.
    Indistinct,
}

impl ReplayMismatch {
    pub(super) fn not_encoded(field: String, error: &EncodeError) -> Self {
        let text = match error {
            EncodeError::DepthLimitExceeded => "it is nested too deeply".to_owned(),
            error => error.to_string(),
        };
        Self::new(Some(field), Reason::NotEncoded(text))
    }

    /// `place` is where the decoder stopped. If a field is missing there, that is the field.
    pub(super) fn not_decoded(place: String, error: &DecodeError) -> Self {
        match missing_field(error) {
            Some(field) if place.is_empty() => Self::missing(field.to_owned()),
            Some(field) => Self::missing(format!("{place}.{field}")),
            None => Self::new(Some(place), Reason::NotDecoded(without_values(error))),
        }
    }

    fn missing(field: String) -> Self {
        Self::new(Some(field), Reason::NotDecoded("it is missing".to_owned()))
    }

    pub(super) fn different(field: String) -> Self {
        Self::new(Some(field), Reason::Different)
    }

    pub(super) fn indistinct(field: Option<String>) -> Self {
        Self::new(field, Reason::Indistinct)
    }

    pub(crate) fn invalid_bytes() -> Self {
        let text = "its `decode` refuses what its `encode` wrote".to_owned();
        Self::new(None, Reason::NotDecoded(text))
    }

    fn new(field: Option<String>, reason: Reason) -> Self {
        Self { field: field.filter(|field| !field.is_empty()), reason }
    }

    /// The field at fault, as a path such as `items[2].price`. `None` if it is the value as a whole,
    /// or if the field cannot be told: one that is not encoded at all, in a type without `Debug`.
    #[must_use]
    pub fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }
}

impl fmt::Display for ReplayMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "`{field}` ")?,
            None => f.write_str("the value ")?,
        }
        match &self.reason {
            Reason::NotEncoded(why) => write!(f, "cannot be encoded: {why}"),
            Reason::NotDecoded(why) => write!(f, "cannot be read back: {why}"),
            Reason::Different => f.write_str("is read back as another value"),
            Reason::Indistinct => f.write_str(
                "is read back as another value: its `Serialize` leaves out or changes something \
                 that its `PartialEq` compares",
            ),
        }
    }
}

impl StdError for ReplayMismatch {}

/// The name in "missing field `name`".
fn missing_field(error: &DecodeError) -> Option<&str> {
    let DecodeError::Syntax(text) = error else { return None };
    text.strip_prefix("missing field `")?.strip_suffix('`')
}

/// A decoder's message without the values that it quotes.
fn without_values(error: &DecodeError) -> String {
    let DecodeError::Syntax(text) = error else {
        return match error {
            DecodeError::DepthLimitExceeded => "it is nested too deeply".to_owned(),
            DecodeError::LengthMismatch(_) => "it has another number of items".to_owned(),
            _ => "it is of another type".to_owned(),
        };
    };
    let is_about_names = ["duplicate field `", "data did not match any variant of"];
    if is_about_names.iter().any(|start| text.starts_with(start)) {
        return text.clone();
    }
    if let "u128 is not supported" | "i128 is not supported" = text.as_str() {
        return format!("serde does not buffer 128 bits: {text}");
    }
    for start in ["invalid type: ", "invalid value: "] {
        if let Some((found, expected)) =
            text.strip_prefix(start).and_then(|rest| rest.rsplit_once(", expected "))
        {
            let kind = found.split([' ', '`']).next().unwrap_or_default();
            return format!("{start}{kind}, expected {expected}");
        }
    }
    match text.split_once('`') {
        Some((start @ ("unknown variant " | "unknown field "), _)) => start.trim_end().to_owned(),
        _ => "it is not a value of this type".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_decoder_quotes_is_left_out() {
        let of = |text: &str| without_values(&DecodeError::Syntax(text.to_owned()));
        assert_eq!(of("duplicate field `total`"), "duplicate field `total`");
        assert_eq!(
            of(r#"invalid type: string "secret, expected u8", expected u32"#),
            "invalid type: string, expected u32"
        );
        assert_eq!(
            of("invalid value: integer `300`, expected u8"),
            "invalid value: integer, expected u8"
        );
        assert_eq!(of("unknown variant `secret`, expected `A` or `B`"), "unknown variant");
        assert_eq!(of("the card 4111 is invalid"), "it is not a value of this type");
    }
}
