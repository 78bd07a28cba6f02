//! One guarded request, from its body to its answer.

use std::error::Error as StdError;
use std::sync::Arc;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tower_service::Service;
use tracing::Instrument;

use super::flight::{Flight, Grounded, Seat};
use super::settings::Settings;
use super::settle::{Meaning, settle};
use crate::engine::scope;
use crate::http::problem::Problem;
use crate::http::{BoxError, IdempotencyKey, ResponseBody, StoredResponse};
use crate::{Error, ErrorKind, Reservation, Started};

pub(super) type Answer<R, E> = Result<Response<ResponseBody<R>>, E>;

/// A guarded request: who answers it, and by which rules.
pub(super) struct Guard<S> {
    pub(super) inner: S,
    pub(super) settings: Arc<Settings>,
    pub(super) flight: Arc<Flight>,
}

impl<S> Guard<S> {
    /// Answers the request: with the first one's response, a problem, or a run of the handler.
    ///
    /// Dropped before the handler runs, nothing has happened; afterwards it runs on.
    pub(super) async fn run<B, R>(
        self,
        key: IdempotencyKey,
        request: Request<B>,
    ) -> Answer<R, S::Error>
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
        let settings = &*self.settings;
        let (mut parts, body) = request.into_parts();
        let bytes = match read(body, settings.request_limit).await {
            Ok(bytes) => bytes,
            Err(problem) => return Ok(settings.answer(problem)),
        };
        let seat = match self.flight.enter() {
            Ok(seat) => seat,
            Err(Grounded::Full) => return Ok(settings.answer(Problem::overloaded())),
            Err(Grounded::Draining) => return Ok(settings.answer(Problem::shutting_down())),
        };
        let call = match settings.call(&key, &parts, &bytes) {
            Ok(call) => call,
            Err(problem) => return Ok(settings.answer(*problem)),
        };
        match call.begin().await {
            Ok(Started::Reserved(reservation)) => {
                parts.extensions.insert(key);
                let method = parts.method.clone();
                let request = Request::from_parts(parts, B::from(bytes));
                let settings = Arc::clone(&self.settings);
                let run = Run { method, reservation, settings, _seat: seat };
                self.run_to_its_end(run, request).await
            }
            Ok(Started::Replayed(Ok(stored))) => Ok(replay(settings, stored)),
            Ok(Started::Replayed(Err(error))) | Err(error) => Ok(refuse(settings, &error)),
        }
    }

    /// Runs the handler in a task of its own, so that it ends whoever goes away.
    async fn run_to_its_end<B, R>(mut self, run: Run, request: Request<B>) -> Answer<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>> + Send + 'static,
        S::Future: Send + 'static,
        S::Error: Send + 'static,
        B: Send + 'static,
        R: Body + Send + 'static,
        R::Data: Send,
        R::Error: Send,
    {
        let settings = Arc::clone(&run.settings);
        let handler = async move {
            let handled = async { self.inner.call(request).await };
            let response = run.reservation.scope(handled).await;
            run.end(response).await
        };
        match tokio::spawn(scope().run(handler).in_current_span()).await {
            Ok(answer) => answer,
            Err(error) => match error.try_into_panic() {
                // As if the handler had run here.
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Ok(settings.answer(Problem::cut_short())),
            },
        }
    }
}

/// A run of the handler, which holds its key: dropped, the key stays held.
struct Run {
    method: Method,
    reservation: Reservation<StoredResponse, Error>,
    settings: Arc<Settings>,
    _seat: Seat,
}

impl Run {
    /// Decides what becomes of the key, and has it recorded before anybody sees the response.
    async fn end<R: Body, E>(self, response: Result<Response<R>, E>) -> Answer<R, E> {
        let Self { method, reservation, settings, .. } = self;
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

/// The whole body of a request.
async fn read<B>(body: B, limit: usize) -> Result<Bytes, Problem>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    if body.size_hint().lower() > limit as u64 {
        return Err(Problem::request_too_large());
    }
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if is_too_large(&*error) => Err(Problem::request_too_large()),
        Err(_) => Err(Problem::unreadable_body()),
    }
}

/// Also of a limit that somebody else has set, outside of this one.
fn is_too_large(error: &(dyn StdError + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if error.is::<LengthLimitError>() {
            return true;
        }
        cause = error.source();
    }
    false
}
