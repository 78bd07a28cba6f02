//! One guarded request, from its owner and its body to its response.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::Arc;

use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use super::in_flight::InFlightRequest;
use super::inner_call::InnerCall;
use super::pass_body::PassBody;
use super::read_body::{BoxError, announced, read_body};
use super::request_key::RequestKey;
use super::settings::Settings;
use super::state::LayerState;
use crate::engine::FinishInBackground;
use crate::http::ResponseBody;
use crate::http::exchange::{self, Acquired, ResponsePolicy};
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
            state.warn_of_nobody();
            return Ok(settings.problem_response(Problem::missing_scope()));
        };
        let in_flight = match state.in_flight.enter() {
            Ok(in_flight) => in_flight,
            Err(reason) => return Ok(settings.problem_response(reason.into())),
        };
        let (limit, timeout) = (settings.request_limit, settings.read_timeout);
        let Some(announced) = announced(&body, limit) else {
            return Ok(settings.problem_response(Problem::request_too_large()));
        };
        let held = match state.read_budget.enter(owner.as_ref(), &settings.limits, announced) {
            Ok(held) => held,
            Err(reason) => return Ok(settings.problem_response(reason.into())),
        };
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
        let policy = RunPolicy { state: Arc::clone(&state), _in_flight: in_flight };
        let run = exchange::run(reservation, policy, method, InnerCall::new(inner, request));
        let engine = settings.engine.clone();
        let mut response = FinishInBackground::in_context(run, Some(engine)).await?;
        settings.add_policy_header(&mut response);
        Ok(response)
    }
}

/// What a run of the handler needs of its layer. The request is in flight until its response is recorded.
struct RunPolicy {
    state: Arc<LayerState>,
    _in_flight: InFlightRequest,
}

impl AsRef<ResponsePolicy> for RunPolicy {
    fn as_ref(&self) -> &ResponsePolicy {
        &self.state.settings.response
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
    settings.problem_response(Problem::of_request(error))
}
