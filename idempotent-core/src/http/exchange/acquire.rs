//! Acquiring the key of a request.

use crate::call::BeginOutcome;
use crate::http::StoredResponse;
use crate::{Call, Error, Reservation};

/// A call whose result is an HTTP response.
pub(in crate::http) type HttpCall = Call<StoredResponse, Error>;

/// The reservation of a call whose result is an HTTP response.
pub(in crate::http) type HttpReservation = Reservation<StoredResponse, Error>;

/// What to do with a request.
pub(in crate::http) enum Acquired {
    /// The key is reserved: run the handler.
    Reserved(HttpReservation),
    /// An earlier request has this response: replay it.
    Replay(StoredResponse),
}

/// Reserves the key, or finds the response to replay. An error says why the request is refused.
pub(in crate::http) async fn acquire(call: HttpCall) -> Result<Acquired, Error> {
    match call.begin().await {
        Ok(BeginOutcome::Reserved(reservation)) => Ok(Acquired::Reserved(reservation)),
        Ok(BeginOutcome::Replayed(Ok(stored))) => Ok(Acquired::Replay(stored)),
        Ok(BeginOutcome::Replayed(Err(error))) | Err(error) => Err(error),
    }
}
