//! How a layer treats a request, decided before its body is read.

use http::{Request, Version};

use super::request_key::RequestKey;
use super::settings::Settings;
use crate::http::media_type::Rpc;
use crate::http::problem::Problem;
use crate::http::{IdempotencyKey, InvalidKey};

pub(super) enum RequestKind {
    /// Passed on as is.
    Unguarded,
    /// Passed on as is, since it has no key, although its method is guarded.
    UnguardedGrpc,
    Guarded(RequestKey),
    Refused(Problem),
}

impl RequestKind {
    pub(super) fn of<B>(request: &Request<B>, settings: &Settings) -> Self {
        if !settings.methods.contains(request.method()) {
            return Self::Unguarded;
        }
        let (name, max_bytes) = (&settings.header, settings.max_key_bytes());
        let key = IdempotencyKey::from_headers_up_to(request.headers(), name, max_bytes);
        let is_needed = settings.required || settings.is_keyed_by_content;
        let needs_no_key = matches!(key, Ok(None)) && !is_needed;
        if let Some(rpc) = Rpc::of(request.headers()) {
            return match () {
                () if is_passed(rpc, request, settings) => Self::Unguarded,
                () if needs_no_key => Self::UnguardedGrpc,
                () => Self::Refused(Problem::grpc_not_guarded()),
            };
        }
        let refused = |why| Self::Refused(Problem::of_key(why, name));
        match key {
            Ok(Some(key)) if settings.scope.is_weak(&key) => refused(InvalidKey::Weak),
            Ok(Some(key)) => Self::Guarded(RequestKey::Sent(key)),
            Ok(None) if settings.is_keyed_by_content => Self::Guarded(RequestKey::Content),
            Ok(None) if settings.required => refused(InvalidKey::Missing),
            Ok(None) => Self::Unguarded,
            Err(error) => refused(error),
        }
    }
}

/// Whether a request is for a gRPC service that the layer was told of, in a form that only such a
/// service understands: what else reaches its path is guarded like any other request.
fn is_passed<B>(rpc: Rpc, request: &Request<B>, settings: &Settings) -> bool {
    let service = request.uri().path().strip_prefix('/').and_then(|path| path.rsplit_once('/'));
    let is_one_of_them = service
        .is_some_and(|(service, _)| settings.grpc_services.iter().any(|passed| passed == service));
    is_one_of_them && (rpc == Rpc::GrpcWeb || request.version() == Version::HTTP_2)
}
