//! [`ContentKey`]: what a call does as its key, where nobody gives it one.

use std::fmt;

use serde::Serialize;

use crate::codec::{self, Digest};
use crate::model::{Key, KeyParts};

/// A key by content: the digest of a payload. Two calls with equal payloads are the same call. In the attribute
/// it is `key = content(&payload)`.
///
/// Use it where callers send no key, such as for the jobs of a queue or the requests of old clients. **What is
/// done twice on purpose is then done once**: whoever orders the same tea again, while the first result is kept,
/// gets the receipt of the first. So choose a short [`ttl`](crate::Operation::ttl), in which an equal call can
/// only be a repetition, or give the calls that are meant twice a key of their own.
///
/// The digest of equal values is the same in every process, on every platform, and whichever Cargo features a
/// build unites, as it is for a [fingerprint](super::CallBuilder::fingerprint): the width of an integer and the
/// order of fields and of maps do not count, all else does, the order of a sequence included. So a `HashSet` has
/// no digest to rely on, and neither has a payload with the time of the attempt in it.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// use idempotent_core::call::ContentKey;
/// use idempotent_core::{Error, Operation};
///
/// const SEND: Operation = Operation::new("mail.send").ttl(Duration::from_secs(600));
///
/// let send = async |address: &str, text: &str, id: u32| {
///     let call = SEND.key(&ContentKey::of(&(address, text))).returning::<Result<u32, Error>>();
///     call.run(|| async move { Ok(id) }).await
/// };
/// assert_eq!(send("a@example.com", "hello", 1).await?, 1);
/// assert_eq!(send("a@example.com", "hello", 2).await?, 1);
/// assert_eq!(send("b@example.com", "hello", 3).await?, 3);
/// # Ok(()) }
/// ```
///
/// It can be a part of a key, as in `(tenant, ContentKey::of(&order))`. No other key is equal to it, whatever
/// bytes a client sends. A record shows it as `(content)`, since its digest would betray a payload with few
/// possible values; [`RecordId::of`](crate::model::RecordId::of) finds the record of a payload.
///
/// Clients with equal payloads have equal keys. If several clients can send them, say whose each is by a
/// [`scope`](crate::Operation::scope).
///
/// If the payload cannot be serialized, the call is refused with [`ErrorKind::Encode`](crate::ErrorKind::Encode).
#[derive(Clone, Copy)]
pub struct ContentKey(Option<Digest>);

impl ContentKey {
    /// The key of a payload, which is digested at once.
    pub fn of<P: Serialize + ?Sized>(payload: &P) -> Self {
        Self(codec::digest(payload).ok())
    }

    /// The key of a payload with this digest.
    #[cfg(feature = "http")]
    pub(crate) const fn of_digest(digest: Digest) -> Self {
        Self(Some(digest))
    }
}

impl Key for ContentKey {
    fn write(&self, parts: &mut KeyParts) {
        match &self.0 {
            Some(digest) => parts.push_content(digest),
            None => parts.push_unserializable(),
        }
    }
}

impl fmt::Debug for ContentKey {
    /// Omits the digest, which would betray a payload with few possible values.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::AnyKey;

    #[test]
    fn its_digest_as_any_other_key_is_another_key() {
        let parts = |key: &dyn AnyKey| KeyParts::of(key).map(|parts| parts.encoded().to_vec());
        let digest = codec::digest("tea").unwrap();
        let own = parts(&ContentKey::of("tea"));
        for other in [
            parts(&digest),
            parts(&&digest[..]),
            parts(&("(content)", digest)),
            parts(&blake3::Hash::from_bytes(digest).to_hex().as_str()),
        ] {
            assert_ne!(own, other);
        }
        assert!(parts(&("", digest)).is_err());
    }
}
