//! Choosing the key of a request.

use http::Extensions;
use reqwest::Request;
use reqwest::header::HeaderValue;
use reqwest_middleware::Error;

use super::idempotent_retry::IdempotentRetry;
use super::key_label::KeyLabel;
use crate::engine::{CurrentCall, current};
use crate::model::uuid_text;

/// Adds a key to a request that needs one, and returns the value of its key header.
pub(super) fn ensure_key(
    settings: &IdempotentRetry,
    request: &mut Request,
    extensions: &Extensions,
) -> Result<Option<HeaderValue>, Error> {
    if let Some(value) = request.headers().get(&settings.header) {
        return Ok(Some(sensitive(value.clone())));
    }
    if !settings.key_methods.contains(request.method()) {
        return Ok(None);
    }
    let key = match current() {
        Some(call) => derived_key(settings, &call, request, extensions.get()),
        None => random_key()?,
    };
    let value = if settings.bare_keys { key } else { format!("\"{key}\"") };
    let value = sensitive(HeaderValue::try_from(value).map_err(Error::middleware)?);
    request.headers_mut().insert(settings.header.clone(), value.clone());
    Ok(Some(value))
}

/// The query is not part of the label. It may contain a signature or the time, and when the call runs
/// again, another key would cause a second effect.
fn derived_key(
    settings: &IdempotentRetry,
    call: &CurrentCall,
    request: &Request,
    label: Option<&KeyLabel>,
) -> String {
    if let Some(KeyLabel(label)) = label {
        return call.derive(label).to_string();
    }
    let (method, url) = (request.method(), request.url());
    let origin = url.origin().ascii_serialization();
    // None of these contains a line break, so the label may be any text.
    let request = format!("http {method} {origin}{}\n{}", url.path(), settings.label);
    call.derive_next(&request).to_string()
}

/// A UUID of version 4.
fn random_key() -> Result<String, Error> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(Error::middleware)?;
    let mut key = String::with_capacity(36);
    // Writing to a string never fails.
    uuid_text::write(&uuid_text::of_version_4(bytes), &mut key).map_err(Error::middleware)?;
    Ok(key)
}

/// Hides the key from `Debug` of the headers. In a global scope it is a capability.
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
        let keys: HashSet<String> = (0..1000).map(|_| random_key().unwrap()).collect();
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
