//! Running the handler and recording its response.

use std::future::Future;
use std::time::Duration;

use http::header::CONTENT_TYPE;
use http::{Method, Response};
use http_body::Body;

use super::acquire::HttpReservation;
use super::response_policy::{Decision, ResponsePolicy};
use crate::Disposition;
use crate::http::media_type;
use crate::http::problem::PROBLEM_JSON;
use crate::http::response::{Captured, WhyNotKept, capture};
use crate::http::{Problem, ResponseBody, StoredResponse};

/// Runs the handler, and records its response before anybody sees it.
///
/// If the future is dropped, the key is held for the lease; if the handler panics, its outcome is
/// unknown.
pub(in crate::http) async fn run<R: Body, E>(
    reservation: HttpReservation,
    policy: &ResponsePolicy,
    method: &Method,
    handler: impl Future<Output = Result<Response<R>, E>>,
) -> Result<Response<ResponseBody<R>>, E> {
    match reservation.scope(handler).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let mut decision = policy.decide(method, &parts);
            // The handler passes on the refusal of a call that it made.
            if reservation.refused_status() == Some(parts.status.as_u16()) {
                decision.disposition = Disposition::Unknown;
            }
            let response = Response::from_parts(parts, body);
            Ok(settle(reservation, policy, decision, response).await)
        }
        Err(error) => {
            // For example a timeout: the handler was cut off, and its work may be going on elsewhere.
            reservation.hold_for_lease().await;
            Err(error)
        }
    }
}

async fn settle<R: Body>(
    reservation: HttpReservation,
    policy: &ResponsePolicy,
    decision: Decision,
    response: Response<R>,
) -> Response<ResponseBody<R>> {
    let disposition = decision.disposition;
    match disposition {
        Disposition::Release => {
            reservation.release().await;
            response.map(ResponseBody::inner)
        }
        Disposition::Unknown => {
            reservation.abandon_as(policy.unknown_end(&response)).await;
            response.map(ResponseBody::inner)
        }
        Disposition::HoldForLease => {
            reservation.hold_for_lease().await;
            response.map(ResponseBody::inner)
        }
        _ if !decision.is_replayable => {
            let why = WhyNotKept::Withheld;
            reservation.complete_not_kept(why.record(), ttl(disposition)).await;
            why.mark(response.map(ResponseBody::inner))
        }
        _ => match capture(response, policy.limits, &policy.stripped_headers).await {
            // Another service of this kind refused the request that the handler sent it.
            Captured::Complete(stored, response) if is_refusal(&stored) => {
                reservation.abandon_as(policy.unknown_end(&response)).await;
                response
            }
            Captured::Complete(stored, response) => {
                reservation.complete_as(&Ok(stored), disposition).await;
                response
            }
            Captured::NotKept(why, response) => {
                reservation.complete_not_kept(why.record(), ttl(disposition)).await;
                response
            }
        },
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
