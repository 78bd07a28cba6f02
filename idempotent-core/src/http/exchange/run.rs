//! Running the handler and recording its response.

use std::future::Future;
use std::time::Duration;

use http::{Method, Response};
use http_body::Body;

use super::acquire::HttpReservation;
use super::response_policy::{Decision, ResponsePolicy};
use crate::Disposition;
use crate::http::ResponseBody;
use crate::http::response::{Captured, WhyNotKept, capture};

/// Runs the handler, and records its response before anybody sees it.
///
/// If the future is dropped or the handler panics, the key stays held.
pub(in crate::http) async fn run<R: Body, E>(
    reservation: HttpReservation,
    policy: &ResponsePolicy,
    method: &Method,
    handler: impl Future<Output = Result<Response<R>, E>>,
) -> Result<Response<ResponseBody<R>>, E> {
    match reservation.scope(handler).await {
        Ok(response) => {
            let (parts, body) = response.into_parts();
            let decision = policy.decide(method, &parts);
            let response = Response::from_parts(parts, body);
            Ok(settle(reservation, policy, decision, response).await)
        }
        Err(error) => {
            // For example a timeout: nobody knows how far the handler got.
            reservation.hold().await;
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
        Disposition::Hold => {
            reservation.hold().await;
            response.map(ResponseBody::inner)
        }
        _ if !decision.is_replayable => {
            let why = WhyNotKept::Withheld;
            reservation.complete_not_kept(why.record(), ttl(disposition)).await;
            why.mark(response.map(ResponseBody::inner))
        }
        _ => match capture(response, policy.limits, &policy.stripped_headers).await {
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

const fn ttl(disposition: Disposition) -> Option<Duration> {
    match disposition {
        Disposition::KeepFor(ttl) => Some(ttl),
        _ => None,
    }
}
