//! What a response's status says about the effect of its request.

use http::StatusCode;

use crate::Disposition;

/// The disposition of a response, judging by its status. This is a layer's default.
///
/// * [`Release`](Disposition::Release) lets the next request run the handler. Only statuses that are
///   known to precede the effect get it: 401, 403, 405, 406, 407, 411 to 417, 421, 425, 426, 428, 429,
///   431.
/// * [`HoldForLease`](Disposition::HoldForLease) is for 408 and 504: a timeout cut the handler off, or
///   another server did not answer, so work may still be going on.
/// * [`Unknown`](Disposition::Unknown) is for every other 5xx: the handler has ended, and nobody knows
///   whether it took effect.
/// * [`Keep`](Disposition::Keep) is for all others: successes, redirects, and final refusals such as
///   402, 404, 409 or 422.
///
/// ```
/// use http::StatusCode;
/// use idempotent_core::Disposition;
/// use idempotent_core::http::disposition_of;
///
/// assert_eq!(disposition_of(StatusCode::CREATED), Disposition::Keep);
/// assert_eq!(disposition_of(StatusCode::TOO_MANY_REQUESTS), Disposition::Release);
/// assert_eq!(disposition_of(StatusCode::BAD_GATEWAY), Disposition::Unknown);
/// assert_eq!(disposition_of(StatusCode::GATEWAY_TIMEOUT), Disposition::HoldForLease);
/// ```
#[must_use]
pub fn disposition_of(status: StatusCode) -> Disposition {
    match status.as_u16() {
        401 | 403 | 405..=407 | 411..=417 | 421 | 425 | 426 | 428 | 429 | 431 => {
            Disposition::Release
        }
        408 | 504 => Disposition::HoldForLease,
        500.. => Disposition::Unknown,
        _ => Disposition::Keep,
    }
}

/// What a layer does with a key whose handler answered with a server error (5xx).
///
/// Stripe's API replays them; the IETF draft leaves it to the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ServerErrors {
    /// The next request runs the handler again: at once, or after a 504 when the lease has lapsed.
    /// Under *at most once* the handler must not run twice, so this means
    /// [`Indeterminate`](Self::Indeterminate) there. The default.
    #[default]
    Rerun,
    /// The response is stored and replayed, like any other.
    Replay,
    /// The record becomes indeterminate: requests get 423 until somebody
    /// [resolves](crate::Idempotency::resolve) it. After a 504 that happens when the lease has lapsed,
    /// and only under *at most once*.
    Indeterminate,
}

/// As Stripe documents it: a request that failed validation is not kept. That is 400, and 422 as well,
/// with which axum's `Json` refuses a body whose fields are wrong.
pub(super) fn stripe_disposition_of(status: StatusCode) -> Disposition {
    match status.as_u16() {
        400 | 422 => Disposition::Release,
        _ => disposition_of(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_the_disposition_that_is_documented() {
        let release = [
            401, 403, 405, 406, 407, 411, 412, 413, 414, 415, 416, 417, 421, 425, 426, 428, 429,
            431,
        ];
        for code in 100..=999 {
            let expected = if release.contains(&code) {
                Disposition::Release
            } else if code == 408 || code == 504 {
                Disposition::HoldForLease
            } else if code >= 500 {
                Disposition::Unknown
            } else {
                Disposition::Keep
            };
            assert_eq!(disposition_of(StatusCode::from_u16(code).unwrap()), expected, "{code}");
        }
    }
}
