//! One guarded request, from its owner and its body to its response.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use http::{Method, Request, Response};
use http_body::Body;
use tower_service::Service;

use super::in_flight::InFlightRequest;
use super::pass_body::PassBody;
use super::read_body::{BoxError, read_body};
use super::request_key::RequestKey;
use super::settings::Settings;
use super::state::LayerState;
use crate::engine::FinishInBackground;
use crate::http::ResponseBody;
use crate::http::exchange::{self, Acquired, HttpReservation};
use crate::http::problem::Problem;
use crate::{Error, ErrorKind};

type GuardedResult<R, E> = Result<Response<ResponseBody<R>>, E>;

/// Answers a guarded request with an earlier response, with a problem, or by running the handler.
///
/// If the future is dropped before the handler runs, nothing has happened. After that, the handler
/// finishes in a spawned task.
///
/// It is not an `async fn`, which would store the request twice.
pub(super) fn answer<S, B, P, R>(
    inner: S,
    state: Arc<LayerState>,
    key: RequestKey,
    request: Request<B>,
) -> impl Future<Output = GuardedResult<R, S::Error>> + Send + 'static
where
    S: Service<Request<P>, Response = Response<R>> + Send + 'static,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
    B: Body<Error: PassBody<B, Passed = P> + Into<BoxError>> + Send + 'static,
    B::Data: Send,
    P: Send + 'static,
    R: Body + Send + 'static,
    R::Data: Send,
    R::Error: Send,
{
    let (mut parts, body) = request.into_parts();
    async move {
        let settings = &state.settings;
        // What costs least is checked first: who it is, then whether there is a place, then the body.
        let Ok(owner) = settings.owner(&parts) else {
            return Ok(settings.problem_response(Problem::missing_scope()));
        };
        let in_flight = match state.in_flight.enter() {
            Ok(in_flight) => in_flight,
            Err(reason) => return Ok(settings.problem_response(reason.into())),
        };
        let held = match state.read_budget.enter(owner.as_ref(), &settings.limits) {
            Ok(held) => held,
            Err(reason) => return Ok(settings.problem_response(reason.into())),
        };
        let (limit, timeout) = (settings.request_limit, settings.read_timeout);
        let (bytes, held) = match read_body(body, limit, timeout, held).await {
            Ok(read) => read,
            Err(problem) => return Ok(settings.problem_response(problem)),
        };
        let call = match settings.call(&key, owner, &parts, &bytes) {
            Ok(call) => call,
            Err(problem) => return Ok(settings.problem_response(*problem)),
        };
        let reservation = match exchange::acquire(call).await {
            Ok(Acquired::Reserved(reservation)) => reservation,
            Ok(Acquired::Replay(stored)) => {
                let header = settings.response.replayed_header.clone();
                let mut response = exchange::replay(stored, header);
                settings.add_policy_header(&mut response);
                return Ok(response);
            }
            Err(error) => return Ok(refuse(settings, &error)),
        };
        if let RequestKey::Sent(key) = key {
            parts.extensions.insert(key);
        }
        let method = parts.method.clone();
        let request = Request::from_parts(parts, B::Error::rebuild(bytes));
        // From here on the body is the handler's.
        drop(held);
        let run =
            HandlerRun { method, reservation, state: Arc::clone(&state), _in_flight: in_flight };
        let engine = settings.engine.clone();
        FinishInBackground::in_context(run.finish(inner, request), Some(engine)).await
    }
}

/// A run of the handler. If it is dropped, the key is held for the lease.
struct HandlerRun {
    method: Method,
    reservation: HttpReservation,
    state: Arc<LayerState>,
    _in_flight: InFlightRequest,
}

impl HandlerRun {
    async fn finish<S, B, R>(self, mut inner: S, request: Request<B>) -> GuardedResult<R, S::Error>
    where
        S: Service<Request<B>, Response = Response<R>>,
        R: Body,
    {
        let Self { method, reservation, state, _in_flight } = self;
        let settings = &state.settings;
        let handler = async { inner.call(request).await };
        let mut response = exchange::run(reservation, &settings.response, &method, handler).await?;
        settings.add_policy_header(&mut response);
        Ok(response)
    }
}

fn refuse<R: Body>(settings: &Settings, error: &Error) -> Response<ResponseBody<R>> {
    match error.kind() {
        ErrorKind::Store => tracing::warn!(
            error = error as &dyn StdError,
            "a request is refused because the store failed"
        ),
        ErrorKind::InvalidScope
        | ErrorKind::Incompatible
        | ErrorKind::NotAuthentic
        | ErrorKind::Encode
        | ErrorKind::Decode
        | ErrorKind::NotReplayable
        | ErrorKind::Misconfigured => {
            tracing::error!(error = error as &dyn StdError, "a request cannot be guarded");
        }
        _ => {}
    }
    settings.problem_response(Problem::from(error))
}
