//! What becomes of a key once its response is there.

use std::time::Duration;

use http::Response;
use http_body::Body;

use crate::http::response::{Captured, DroppedHeaders, Limits, capture};
use crate::http::{ResponseBody, StoredResponse};
use crate::{Disposition, Error, Reservation};

/// What a response means for its key.
pub(in crate::http) struct Meaning {
    pub(in crate::http) disposition: Disposition,
    /// Whether it leaves a tombstone if it is to be kept.
    pub(in crate::http) withheld: bool,
}

/// Has the end recorded before anybody sees the response.
pub(in crate::http) async fn settle<R: Body>(
    reservation: Reservation<StoredResponse, Error>,
    response: Response<R>,
    meaning: Meaning,
    limits: Limits,
    dropped: &DroppedHeaders,
) -> Response<ResponseBody<R>> {
    match meaning.disposition {
        Disposition::Release => {
            reservation.release().await;
            response.map(ResponseBody::inner)
        }
        Disposition::Hold => {
            reservation.hold().await;
            response.map(ResponseBody::inner)
        }
        kept if meaning.withheld => {
            reservation.withhold(ttl(kept)).await;
            response.map(ResponseBody::inner)
        }
        kept => match capture(response, limits, dropped).await {
            Captured::Whole(stored, response) => {
                reservation.finish_as(&Ok(stored), kept).await;
                response
            }
            Captured::Unkept(response) => {
                reservation.withhold(ttl(kept)).await;
                response
            }
        },
    }
}

const fn ttl(kept: Disposition) -> Option<Duration> {
    match kept {
        Disposition::KeepFor(ttl) => Some(ttl),
        _ => None,
    }
}
