//! Which key a request carries.

use http::Extensions;
use reqwest::Request;
use reqwest::header::HeaderValue;
use reqwest_middleware::Error;

use super::settings::IdempotentRetry;
use crate::engine::{Current, current};
use crate::uuid_text;

/// Names one request of an idempotent call, so that its key does not depend on how many others the
/// call sent before: the key is [`Current::derive`] of this label.
///
/// ```no_run
/// # async fn ship(client: reqwest_middleware::ClientWithMiddleware, parcels: Vec<u32>) -> Result<(), reqwest_middleware::Error> {
/// use idempotent_core::client::KeyLabel;
///
/// for parcel in parcels {
///     let label = KeyLabel::new(format!("parcel {parcel}"));
///     client.post("https://ship.example/parcels").with_extension(label).send().await?;
/// }
/// # Ok(()) }
/// ```
///
/// Two requests with one label are the same request, and carry one key. Outside of an idempotent
/// call it does nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyLabel(String);

impl KeyLabel {
    /// A label: unique within its call, and the same when the call runs again.
    pub fn new(label: impl Into<String>) -> Self {
        Self(label.into())
    }
}

/// Gives a request its key, if it is to have one, and says which one it carries.
pub(super) fn ensure(
    settings: &IdempotentRetry,
    request: &mut Request,
    extensions: &Extensions,
) -> Result<Option<HeaderValue>, Error> {
    if let Some(own) = request.headers().get(&settings.header) {
        return Ok(Some(sensitive(own.clone())));
    }
    if !settings.key_methods.contains(request.method()) {
        return Ok(None);
    }
    let key = match current() {
        Some(call) => derived(settings, &call, request, extensions.get()),
        None => fresh()?,
    };
    let value = if settings.bare { key } else { format!("\"{key}\"") };
    let value = sensitive(HeaderValue::try_from(value).map_err(Error::middleware)?);
    request.headers_mut().insert(settings.header.clone(), value.clone());
    Ok(Some(value))
}

/// The query is left out: it may hold a signature or the time, and another key in the call's next
/// run would be a second effect.
fn derived(
    settings: &IdempotentRetry,
    call: &Current,
    request: &Request,
    label: Option<&KeyLabel>,
) -> String {
    if let Some(KeyLabel(label)) = label {
        return call.derive(label).to_string();
    }
    let (method, url) = (request.method(), request.url());
    let origin = url.origin().ascii_serialization();
    // Neither of these contains a line's end, so the label may contain what it likes.
    let request = format!("http {method} {origin}{}\n{}", url.path(), settings.label);
    call.derive_next(&request).to_string()
}

/// A UUID of version 4.
fn fresh() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::middleware)?;
    let mut key = String::with_capacity(36);
    // Writing to a string does not fail.
    uuid_text::write(&uuid_text::of_version_4(bytes), &mut key).map_err(Error::middleware)?;
    Ok(key)
}

/// A key is a capability where scopes are global: `Debug` of headers shows none.
fn sensitive(mut value: HeaderValue) -> HeaderValue {
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_fresh_key_is_a_uuid_of_version_4_with_every_other_bit_at_random() {
        let keys: HashSet<String> = (0..1000).map(|_| fresh().unwrap()).collect();
        assert_eq!(keys.len(), 1000);
        let (mut ones, mut zeros) = (0_u128, 0_u128);
        for key in keys {
            let bits = u128::from_str_radix(&key.replace('-', ""), 16).unwrap();
            assert_eq!(key.len(), 36, "{key}");
            ones |= bits;
            zeros |= !bits;
        }
        let fixed = !(ones & zeros);
        assert_eq!(fixed, 0xf << 76 | 0b11 << 62, "{fixed:032x}");
    }
}
