//! The call of a single axum handler whose response is memoized, whatever its type.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::Method;

use super::exchange::{self, Acquired, HttpCall, HttpReservation, ResponsePolicy};
use super::response::REPLAYED;
use crate::call::CallBuilder;
use crate::engine::FinishInBackground;

/// A call that responds to a request. The response is memoized by the defaults of an
/// [`IdempotencyLayer`](super::IdempotencyLayer), and a refusal is a [`Problem`](super::Problem). Made
/// by [`CallBuilder::returning_response`].
#[must_use = "a call does nothing until it runs"]
pub struct HandlerCall(HttpCall);

impl CallBuilder {
    /// Makes a call that returns an HTTP response of any type.
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
    #[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
    pub fn returning_response(self) -> HandlerCall {
        HandlerCall(self.returning_binary(|error| error))
    }
}

impl HandlerCall {
    /// Runs `body`, unless the key was used before. If the future is dropped meanwhile, the key stays
    /// reserved until its lease expires.
    ///
    /// # Panics
    ///
    /// If the body panics. The key is then held.
    pub async fn run<F, Fut>(self, body: F) -> Response
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output: IntoResponse>,
    {
        match acquire(self.0).await {
            Ok(reservation) => respond(reservation, body()).await,
            Err(response) => *response,
        }
    }

    /// Runs `body`, unless the key was used before. If the future is dropped meanwhile, the body and its
    /// recording finish in a spawned task.
    ///
    /// # Panics
    ///
    /// If the body panics. The key is then held.
    pub async fn run_detached<F, Fut>(self, body: F) -> Response
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output: IntoResponse> + 'static,
        // The compiler shows the line that is not met, and what is written beside it.
        Fut: Send, // drop what is not `Send` before an `.await`, or use an `Arc` and async locks
    {
        match acquire(self.0.detaching()).await {
            Ok(reservation) => {
                let engine = reservation.engine().cloned();
                FinishInBackground::in_context(respond(reservation, body()), engine).await
            }
            Err(response) => *response,
        }
    }
}

/// Reserves the key, or returns a replay or a refusal.
async fn acquire(call: HttpCall) -> Result<HttpReservation, Box<Response>> {
    match exchange::acquire(call).await {
        Ok(Acquired::Reserved(reservation)) => Ok(reservation),
        Ok(Acquired::Replay(stored)) => Err(Box::new(exchange::replay(stored, REPLAYED))),
        Err(error) => Err(Box::new(error.into_response())),
    }
}

/// Runs the body, and records its response before anybody sees it.
async fn respond<Fut>(reservation: HttpReservation, body: Fut) -> Response
where
    Fut: Future<Output: IntoResponse>,
{
    let response = async { Ok::<_, Infallible>(body.await.into_response()) };
    // The engine fails open: nothing will be recorded.
    let Some(max_bytes) = reservation.max_result_bytes() else {
        let Ok(response) = reservation.scope(response).await;
        return response;
    };
    // A handler does not know its method. `CONNECT`, which would matter, never has a key.
    let (policy, method) = (ResponsePolicy::new(max_bytes), Method::POST);
    let Ok(response) = exchange::run(reservation, policy, method, response).await;
    response.map(Body::new)
}

impl fmt::Debug for HandlerCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("HandlerCall").field(&self.0).finish()
    }
}
