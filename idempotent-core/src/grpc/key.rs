//! The key of a request, from its metadata.

use tonic::metadata::MetadataValue;
use tonic::{Request, Status};

use super::{IdempotencyKey, InvalidKey, refusal};
use crate::ErrorKind;

/// The metadata that holds the key, `idempotency-key`.
pub const KEY: &str = "idempotency-key";

/// The request's key, from the metadata [`KEY`], written as in the HTTP header: an RFC 8941 String or
/// the bare text, 1 to 255 printable ASCII characters.
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
/// In options it is `key = grpc::key(&request)?`. Keys are the clients' own, so give the attribute a
/// `scope` where there is more than one client: the caller that the request was authenticated as.
///
/// # Errors
///
/// [`InvalidKey`], which is a [`Status`] with `INVALID_ARGUMENT`.
pub fn key<T>(request: &Request<T>) -> Result<IdempotencyKey, InvalidKey> {
    let lines = request.metadata().get_all(KEY);
    let found = IdempotencyKey::from_lines(lines.iter().map(MetadataValue::as_bytes))?;
    found.ok_or(InvalidKey::Missing)
}

impl From<InvalidKey> for Status {
    fn from(why: InvalidKey) -> Self {
        let kind = match why {
            InvalidKey::Missing => ErrorKind::MissingKey,
            _ => ErrorKind::InvalidKey,
        };
        let mut status = refusal::status(kind, &why.to_string(), None);
        status.set_source(std::sync::Arc::new(why));
        status
    }
}
