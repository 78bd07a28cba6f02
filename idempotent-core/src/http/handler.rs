//! One axum handler whose response is memoized, whatever its type.

use std::fmt;
use std::future::Future;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method};

use super::StoredResponse;
use super::layer::{Meaning, by_nature, disposition_of, settle};
use super::onward::Onward;
use super::response::{DroppedHeaders, Limits, REPLAYED, STREAM_AFTER};
use crate::operation::CallBuilder;
use crate::{Call, Error, Reservation, Started};

/// A call that answers a request: its response is memoized as an
/// [`IdempotencyLayer`](super::IdempotencyLayer) does by default, and a refusal is answered as a
/// [`Problem`](super::Problem). See [`CallBuilder::returning_response`].
#[must_use = "a call does nothing until it runs"]
pub struct HandlerCall(Call<StoredResponse, Error>);

impl CallBuilder {
    /// Says that the call gives an HTTP response, of any type.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() {
    /// use axum::http::StatusCode;
    /// use idempotent_core::Operation;
    ///
    /// let call = || Operation::new("orders").key("order 7").returning_response();
    /// let first = call().run(|| async { (StatusCode::CREATED, "order 7") }).await;
    /// assert_eq!(first.status(), StatusCode::CREATED);
    /// let second = call().run(|| async { StatusCode::OK }).await;
    /// assert_eq!(second.status(), StatusCode::CREATED);
    /// assert_eq!(second.headers()["idempotency-replayed"], "true");
    /// # }
    /// ```
    pub fn returning_response(self) -> HandlerCall {
        HandlerCall(self.returning_encoded(|error| error))
    }
}

impl HandlerCall {
    /// Runs `body`, unless this call's key was used before. Dropped meanwhile, the key stays
    /// reserved until its lease ends.
    ///
    /// # Panics
    ///
    /// When the body does; its key is held then.
    pub async fn run<F, Fut>(self, body: F) -> Response
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output: IntoResponse>,
    {
        match begin(self.0).await {
            Ok(reservation) => answer(reservation, body()).await,
            Err(response) => *response,
        }
    }

    /// Runs `body` to its end, and has it recorded, also when the caller is dropped: what is left of it
    /// is a task of its own then.
    ///
    /// # Panics
    ///
    /// When the body does; its key is held then.
    pub async fn run_detached<F, Fut>(self, body: F) -> Response
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output: IntoResponse> + Send + 'static,
    {
        match begin(self.0).await {
            Ok(reservation) => Onward::new(answer(reservation, body())).await,
            Err(response) => *response,
        }
    }
}

type Reserved = Reservation<StoredResponse, Error>;

/// The key, or the response that there is without a run.
async fn begin(call: Call<StoredResponse, Error>) -> Result<Reserved, Box<Response>> {
    match call.begin().await {
        Ok(Started::Reserved(reservation)) => Ok(reservation),
        Ok(Started::Replayed(Ok(stored))) => {
            let mut response = stored.into_response();
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            Err(Box::new(response))
        }
        Ok(Started::Replayed(Err(error))) | Err(error) => Err(Box::new(error.into_response())),
    }
}

/// The body's response, recorded before anybody sees it.
async fn answer<Fut>(reservation: Reserved, body: Fut) -> Response
where
    Fut: Future<Output: IntoResponse>,
{
    let response = reservation.scope(async { body.await.into_response() }).await;
    let Some(bytes) = reservation.max_result_bytes() else {
        return response;
    };
    let (parts, body) = response.into_parts();
    // A handler is not told its method, and one that answers `CONNECT` has no key.
    let withheld = by_nature(&Method::POST, &parts);
    let meaning = Meaning { disposition: disposition_of(parts.status), withheld };
    let response = Response::from_parts(parts, body);
    let limits = Limits { bytes, patience: STREAM_AFTER };
    let dropped = DroppedHeaders::default();
    settle(reservation, response, meaning, limits, &dropped).await.map(Body::new)
}

impl fmt::Debug for HandlerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerCall").field(&self.0).finish()
    }
}
