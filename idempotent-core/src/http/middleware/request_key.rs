//! [`RequestKey`]: what identifies a guarded request.

use crate::http::IdempotencyKey;

/// The key of a guarded request.
pub(super) enum RequestKey {
    /// The client sent it.
    Sent(IdempotencyKey),
    /// The request itself, since the client sent none.
    Content,
}
