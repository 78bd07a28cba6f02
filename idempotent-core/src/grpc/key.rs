//! Reading the key from a request's metadata.

use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

use super::error_status;
use crate::ErrorKind;
use crate::http::{IdempotencyKey, InvalidKey};

/// The metadata key that carries the idempotency key: `idempotency-key`.
pub const KEY: &str = "idempotency-key";

/// Reads the request's key from its metadata ([`KEY`]). The value has the same form as in HTTP: an
/// RFC 8941 String or the bare text, 1 to 255 printable ASCII characters.
///
/// ```
/// use idempotent_core::grpc;
/// use tonic::{Code, Request, Status};
///
/// let mut request = Request::new(());
/// let missing = grpc::key(&request).unwrap_err();
/// assert_eq!(Status::from(missing).code(), Code::InvalidArgument);
///
/// request.metadata_mut().insert(grpc::KEY, "order-7".parse().unwrap());
/// assert_eq!(grpc::key(&request)?.as_str(), "order-7");
/// # Ok::<(), grpc::InvalidKey>(())
/// ```
///
/// In the attribute, write `key = grpc::key(&request)?`. Clients choose their own keys, so the attribute also
/// needs a `scope`, the authenticated caller, or `global_scope` in words, where all clients share their keys
/// and those that can be guessed are refused.
///
/// # Errors
///
/// [`InvalidKey`], which converts into a [`Status`] with `INVALID_ARGUMENT`.
pub fn key<T>(request: &Request<T>) -> Result<IdempotencyKey, InvalidKey> {
    key_up_to(request, IdempotencyKey::MAX_BYTES)
}

/// Reads the request's key like [`key`], with another maximum length than 255 bytes: that of an engine whose
/// [`max_key_bytes`](crate::IdempotencyBuilder::max_key_bytes) is raised.
///
/// ```
/// use idempotent_core::grpc;
/// use tonic::Request;
///
/// let mut request = Request::new(());
/// request.metadata_mut().insert(grpc::KEY, "k".repeat(300).parse().unwrap());
/// assert!(grpc::key(&request).is_err());
/// assert_eq!(grpc::key_up_to(&request, 300)?.as_str().len(), 300);
/// # Ok::<(), grpc::InvalidKey>(())
/// ```
///
/// # Errors
///
/// The same as those of [`key`].
pub fn key_up_to<T>(request: &Request<T>, max_bytes: usize) -> Result<IdempotencyKey, InvalidKey> {
    let lines = request.metadata().get_all(KEY);
    let lines = lines.iter().map(MetadataValue::as_bytes);
    IdempotencyKey::from_lines(lines, max_bytes)?.ok_or(InvalidKey::Missing)
}

impl From<InvalidKey> for Status {
    fn from(error: InvalidKey) -> Self {
        let kind = match error {
            InvalidKey::Missing => ErrorKind::MissingKey,
            InvalidKey::TooLong { .. } => ErrorKind::KeyTooLong,
            _ => ErrorKind::InvalidKey,
        };
        let mut status = error_status::status(kind, &error.to_string(), None);
        status.set_source(std::sync::Arc::new(error));
        status
    }
}
