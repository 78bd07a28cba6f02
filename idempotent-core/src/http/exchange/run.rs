//! Running the handler and recording its response.

use std::future::Future;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Method, Response, response};
use http_body::Body;

use super::acquire::HttpReservation;
use super::response_policy::ResponsePolicy;
use crate::Disposition;
use crate::call::Ending;
use crate::engine::{Settlement, SuspendEnd};
use crate::http::media_type;
use crate::http::problem::PROBLEM_JSON;
use crate::http::response::{Captured, CollectedBody, WhyNotKept, capture, collect};
use crate::http::{Problem, ResponseBody, StoredResponse};

/// Runs the handler, and records its response before anybody sees it.
///
/// If the future is dropped, the key is held for the lease; if the handler panics, its outcome is
/// unknown.
///
/// It is not an `async fn`, which would store its arguments twice.
pub(in crate::http) fn run<P, H, R, E>(
    reservation: HttpReservation,
    policy: P,
    method: Method,
    handler: H,
) -> impl Future<Output = Result<Response<ResponseBody<R>>, E>>
where
    P: AsRef<ResponsePolicy>,
    H: Future<Output = Result<Response<R>, E>>,
    R: Body,
{
    let handled = reservation.scope(handler);
    async move {
        let policy = policy.as_ref();
        let (parts, body) = match handled.await {
            Ok(response) => response.into_parts(),
            Err(error) => {
                // For example a timeout: the handler was cut off, and its work may be going on elsewhere.
                reservation.hold_for_lease().await;
                return Err(error);
            }
        };
        let mut decision = policy.decide(&method, &parts);
        // The handler passes on the refusal of a call that it made.
        if reservation.refused_status() == Some(parts.status.as_u16()) {
            decision.disposition = Disposition::Unknown;
        }
        let disposition = decision.disposition;
        let is_stored = matches!(disposition, Disposition::Keep | Disposition::KeepFor(_));
        let (ending, response) = if is_stored && decision.is_replayable {
            let collected = collect(body, policy.limits).await;
            keep(reservation, policy, disposition, parts, collected)
        } else {
            let ending = end_without_response(reservation, policy, disposition, &parts);
            let response = Response::from_parts(parts, ResponseBody::inner(body));
            (ending, if is_stored { WhyNotKept::Withheld.mark(response) } else { response })
        };
        ending.await;
        Ok(response)
    }
}

/// Ends a call whose response is not stored.
fn end_without_response(
    reservation: HttpReservation,
    policy: &ResponsePolicy,
    disposition: Disposition,
    parts: &response::Parts,
) -> Ending {
    match disposition {
        Disposition::Release => reservation.end(Settlement::Release),
        Disposition::Unknown => {
            let end = policy.unknown_end(parts.status, &parts.headers);
            reservation.end(Settlement::Unknown(end))
        }
        Disposition::HoldForLease => reservation.end(Settlement::HoldForLease),
        Disposition::Suspend => reservation.end(Settlement::Suspend(SuspendEnd::asked_for())),
        Disposition::Keep | Disposition::KeepFor(_) => {
            reservation.end_not_kept(WhyNotKept::Withheld.record(), ttl(disposition))
        }
    }
}

/// Ends a call whose response is stored, if it can be.
fn keep<R: Body>(
    reservation: HttpReservation,
    policy: &ResponsePolicy,
    disposition: Disposition,
    parts: response::Parts,
    collected: CollectedBody<R>,
) -> (Ending, Response<ResponseBody<R>>) {
    match capture(parts, collected, policy.limits, &policy.stripped_headers) {
        // Another service of this kind refused the request that the handler sent it.
        Captured::Complete(stored, response) if is_refusal(&stored) => {
            let end = policy.unknown_end(response.status(), response.headers());
            (reservation.end(Settlement::Unknown(end)), response)
        }
        Captured::Complete(stored, response) => {
            (reservation.end_as(&Ok(stored), disposition), response)
        }
        Captured::NotKept(why, response) => {
            (reservation.end_not_kept(why.record(), ttl(disposition)), response)
        }
    }
}

/// Whether a response is a refusal by this crate, here or in another service, which says nothing about
/// the request's effect. If it were kept, it would be replayed long after its reason is gone.
fn is_refusal(stored: &StoredResponse) -> bool {
    let content_type = stored.headers().get(CONTENT_TYPE);
    content_type.is_some_and(|value| media_type::is(value.as_bytes(), PROBLEM_JSON))
        && Problem::is_document(stored.body())
}

const fn ttl(disposition: Disposition) -> Option<Duration> {
    match disposition {
        Disposition::KeepFor(ttl) => Some(ttl),
        _ => None,
    }
}
