//! Rules for a handler's response: its disposition, and which part of it is stored.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::header::{HeaderName, RETRY_AFTER};
use http::{HeaderMap, Method, StatusCode, response};

use super::replayable;
use crate::Disposition;
use crate::engine::UnknownEnd;
use crate::http::disposition::{ServerErrors, disposition_of};
use crate::http::response::{CaptureLimits, REPLAYED, StrippedHeaders};

type DispositionRule = dyn Fn(&response::Parts) -> Disposition + Send + Sync;

/// The rules for responses. The defaults are those of a layer.
#[derive(Clone)]
pub(in crate::http) struct ResponsePolicy {
    pub(in crate::http) limits: CaptureLimits,
    pub(in crate::http) stripped_headers: StrippedHeaders,
    /// The header that marks a replay.
    pub(in crate::http) replayed_header: HeaderName,
    /// Whether `Cache-Control: no-store` keeps a response from being stored.
    pub(in crate::http) respect_no_store: bool,
    /// `None` is [`disposition_of`].
    rule: Option<Arc<DispositionRule>>,
    overrides: Vec<(StatusCode, Disposition)>,
    pub(in crate::http) server_errors: ServerErrors,
}

/// What a response means for its key.
pub(super) struct Decision {
    pub(super) disposition: Disposition,
    /// Whether the response can be stored. Otherwise a tombstone takes its place.
    pub(super) is_replayable: bool,
}

impl ResponsePolicy {
    /// The defaults, storing bodies of up to `max_body_bytes`.
    pub(in crate::http) fn new(max_body_bytes: usize) -> Self {
        Self {
            limits: CaptureLimits::new(max_body_bytes),
            stripped_headers: StrippedHeaders::default(),
            replayed_header: REPLAYED,
            respect_no_store: false,
            rule: None,
            overrides: Vec::new(),
            server_errors: ServerErrors::default(),
        }
    }

    pub(in crate::http) fn set_rule(
        &mut self,
        rule: impl Fn(&response::Parts) -> Disposition + Send + Sync + 'static,
    ) {
        self.rule = Some(Arc::new(rule));
    }

    /// Sets the disposition of one status, whatever the rule says.
    pub(in crate::http) fn set_override(&mut self, status: StatusCode, disposition: Disposition) {
        self.overrides.push((status, disposition));
    }

    pub(super) fn decide(&self, method: &Method, parts: &response::Parts) -> Decision {
        let overridden = self.overrides.iter().rev().find(|(status, _)| *status == parts.status);
        let is_replayed_error =
            parts.status.is_server_error() && self.server_errors == ServerErrors::Replay;
        let disposition = match (overridden, &self.rule) {
            (Some((_, disposition)), _) => *disposition,
            (None, _) if is_replayed_error => Disposition::Keep,
            (None, Some(rule)) => rule(parts),
            (None, None) => disposition_of(parts.status),
        };
        let is_replayable = replayable::is_replayable(method, parts)
            && !(self.respect_no_store && replayable::is_no_store(&parts.headers));
        Decision { disposition, is_replayable }
    }

    /// What is known of a request whose response says that its outcome is unknown.
    pub(super) fn unknown_end(&self, status: StatusCode, headers: &HeaderMap) -> UnknownEnd {
        UnknownEnd {
            retry_after: retry_after(headers),
            needs_resolving: status.is_server_error()
                && self.server_errors == ServerErrors::Indeterminate,
            error: Some(format!("HTTP {status}").into()),
        }
    }
}

impl AsRef<Self> for ResponsePolicy {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// When to try again, as the handler's `Retry-After` says, in either of its forms.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}
