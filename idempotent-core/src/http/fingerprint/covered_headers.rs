//! [`CoveredHeaders`]: the headers that every fingerprint covers.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HOST, HeaderMap, HeaderName, HeaderValue};

/// Headers that make another method of a request, where a middleware within reach knows them.
pub(super) const METHOD_OVERRIDES: [HeaderName; 3] = [
    HeaderName::from_static("x-http-method-override"),
    HeaderName::from_static("x-http-method"),
    HeaderName::from_static("x-method-override"),
];

/// What one look at each line finds: a search for each name costs more, above all for those that are not there.
#[derive(Default)]
pub(super) struct CoveredHeaders<'a> {
    pub(super) content_type: Lines<'a>,
    pub(super) content_encoding: Lines<'a>,
    pub(super) host: Lines<'a>,
    /// Whether there is any of the [overrides](METHOD_OVERRIDES).
    pub(super) overrides_method: bool,
}

/// All lines of one header, in their order. Most headers have one.
#[derive(Default)]
pub(super) struct Lines<'a> {
    first: Option<&'a HeaderValue>,
    others: Vec<&'a HeaderValue>,
}

impl<'a> CoveredHeaders<'a> {
    pub(super) fn of(headers: &'a HeaderMap) -> Self {
        let mut found = Self::default();
        for (name, value) in headers {
            if *name == CONTENT_TYPE {
                found.content_type.push(value);
            } else if *name == HOST {
                found.host.push(value);
            } else if *name == CONTENT_ENCODING {
                found.content_encoding.push(value);
            } else if name.as_str().starts_with("x-") && METHOD_OVERRIDES.contains(name) {
                found.overrides_method = true;
            }
        }
        found
    }
}

impl<'a> Lines<'a> {
    fn push(&mut self, value: &'a HeaderValue) {
        match self.first {
            None => self.first = Some(value),
            Some(_) => self.others.push(value),
        }
    }

    pub(super) fn first(&self) -> Option<&'a [u8]> {
        self.first.map(HeaderValue::as_bytes)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        self.first.iter().chain(&self.others).map(|value| value.as_bytes())
    }
}
