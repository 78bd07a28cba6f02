//! One guarded request, from its body to its answer.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::flight::{Grounded, Seat};
use super::reading::read;
use super::service::Shared;
use super::settings::Settings;
use super::settle::{Meaning, settle};
use crate::http::onward::Onward;
use crate::http::problem::Problem;
use crate::http::{BoxError, IdempotencyKey, ResponseBody, StoredResponse};
use crate::{Error, ErrorKind, Reservation, Started};

pub(super) type Answer<R, E> = Result<Response<ResponseBody<R>>, E>;

/// A guarded request: who answers it, and by which rules.
pub(super) struct Guard<S> {
    pub(super) inner: S,
    pub(super) shared: Arc<Shared>,
}

impl<S> Guard<S> {
    /// Answers the request: with the first one's response, a problem, or a run of the handler.
    ///
    /// Dropped before the handler runs, nothing has happened; afterwards it runs on.
    ///
    /// No `async fn`, whose future would have room for the request twice.
    pub(super) fn run<B, R>(
        self,
        key: IdempotencyKey,
        request: Request<B>,
    ) -> impl Future<Output = Answer<R, S::Error>> + Send + 'static
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        B: Body + From<Bytes> + Send + 'static,
        B::Data: Send,
        B::Error: Into<BoxError>,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Send,
    {
        let Self { inner, shared } = self;
        let (mut parts, body) = request.into_parts();
        async move {
            let settings = &shared.settings;
            let bytes = match read(body, settings.request_limit).await {
                Ok(bytes) => bytes,
                Err(problem) => return Ok(settings.answer(problem)),
            };
            let seat = match shared.flight.enter() {
                Ok(seat) => seat,
                Err(Grounded::Full) => return Ok(settings.answer(Problem::overloaded())),
                Err(Grounded::Draining) => return Ok(settings.answer(Problem::shutting_down())),
            };
            let call = match settings.call(&key, &parts, &bytes) {
                Ok(call) => call,
                Err(problem) => return Ok(settings.answer(*problem)),
            };
            let reservation = match call.begin().await {
                Ok(Started::Reserved(reservation)) => reservation,
                Ok(Started::Replayed(Ok(stored))) => return Ok(replay(settings, stored)),
                Ok(Started::Replayed(Err(error))) | Err(error) => {
                    return Ok(refuse(settings, &error));
                }
            };
            parts.extensions.insert(key);
            let method = parts.method.clone();
            let request = Request::from_parts(parts, B::from(bytes));
            let run = Run { method, reservation, shared: Arc::clone(&shared), _seat: seat };
            Onward::new(run.whole(inner, request)).await
        }
    }
}

/// A run of the handler, which holds its key: dropped, the key stays held.
struct Run {
    method: Method,
    reservation: Reservation<StoredResponse, Error>,
    shared: Arc<Shared>,
    _seat: Seat,
}

impl Run {
    /// The handler, and what becomes of the key.
    async fn whole<S, B, R>(self, mut inner: S, request: Request<B>) -> Answer<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        let handled = async { inner.call(request).await };
        let response = self.reservation.scope(handled).await;
        self.end(response).await
    }

    /// Decides what becomes of the key, and has it recorded before anybody sees the response.
    async fn end<R: Body, E>(self, response: Result<Response<R>, E>) -> Answer<R, E> {
        let Self { method, reservation, shared, .. } = self;
        let settings = &shared.settings;
        let response = match response {
            Ok(response) => response,
            Err(error) => {
                // A timeout, for instance: nobody knows how far the handler had come.
                reservation.hold().await;
                return Err(error);
            }
        };
        let (parts, body) = response.into_parts();
        let disposition = settings.disposition(&parts);
        let withheld = settings.withholds(&method, &parts);
        let response = Response::from_parts(parts, body);
        let meaning = Meaning { disposition, withheld };
        let (limits, dropped) = (settings.limits(), &settings.dropped);
        let mut response = settle(reservation, response, meaning, limits, dropped).await;
        settings.sign(&mut response);
        Ok(response)
    }
}

fn replay<R: Body>(settings: &Settings, stored: StoredResponse) -> Response<ResponseBody<R>> {
    let mut response = stored.into_response();
    let yes = http::HeaderValue::from_static("true");
    response.headers_mut().insert(settings.replayed.clone(), yes);
    settings.sign(&mut response);
    response
}

fn refuse<R: Body>(settings: &Settings, error: &Error) -> Response<ResponseBody<R>> {
    match error.kind() {
        ErrorKind::Store => tracing::warn!(
            error = error as &dyn StdError,
            "a request is refused: the store cannot be asked"
        ),
        ErrorKind::Incompatible
        | ErrorKind::Encode
        | ErrorKind::Decode
        | ErrorKind::Misconfigured => {
            tracing::error!(error = error as &dyn StdError, "a request cannot be guarded");
        }
        _ => {}
    }
    settings.answer(Problem::from(error))
}
