//! What a response's status says about the effect of its request.

use http::StatusCode;

use crate::Disposition;

/// The disposition of a response, judging by its status. This is a layer's default.
///
/// * [`Release`](Disposition::Release) lets a retry run at once. Only statuses that are known to
///   precede the effect get it: 401, 403, 405, 406, 407, 411 to 417, 421, 425, 426, 428, 429, 431.
/// * [`Hold`](Disposition::Hold) is for statuses that do not say whether the request took effect: 408,
///   with which a timeout answers when it cuts the handler off, and every 5xx.
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
/// assert_eq!(disposition_of(StatusCode::BAD_GATEWAY), Disposition::Hold);
/// ```
#[must_use]
pub fn disposition_of(status: StatusCode) -> Disposition {
    match status.as_u16() {
        401 | 403 | 405..=407 | 411..=417 | 421 | 425 | 426 | 428 | 429 | 431 => {
            Disposition::Release
        }
        408 | 500.. => Disposition::Hold,
        _ => Disposition::Keep,
    }
}

/// As Stripe documents it: whatever the endpoint responded is kept, server errors included. A request
/// that failed validation is not.
pub(super) fn stripe_disposition_of(status: StatusCode) -> Disposition {
    match status.as_u16() {
        400 => Disposition::Release,
        500.. => Disposition::Keep,
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
            } else if code == 408 || code >= 500 {
                Disposition::Hold
            } else {
                Disposition::Keep
            };
            assert_eq!(disposition_of(StatusCode::from_u16(code).unwrap()), expected, "{code}");
        }
    }
}
