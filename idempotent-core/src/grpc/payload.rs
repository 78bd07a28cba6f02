//! A message as the fingerprint of its request.

use std::fmt;

use serde::{Serialize, Serializer};

/// A message's bytes, as a payload. See [`payload`].
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

/// The payload of a request, for `fingerprint = grpc::payload(request.get_ref())`: the same key with
/// another message is refused.
///
/// A message is compared by its encoding, in which the entries of a `HashMap` stand in any order:
/// have maps generated as `BTreeMap`, by `btree_map(["."])` of the build script, or the retry of a
/// message with two entries is refused as another one.
///
/// ```
/// use idempotent_core::{Error, Operation, grpc};
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Error> {
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Order {
///     #[prost(uint64, tag = "1")]
///     cents: u64,
/// }
///
/// let charge = async |cents| {
///     let call = Operation::new("charge").key("order 10");
///     let call = call.fingerprint(&grpc::payload(&Order { cents }));
///     call.returning::<Result<(), Error>>().run(|| async { Ok(()) }).await
/// };
/// charge(100).await?;
/// assert!(charge(200).await.is_err());
/// # Ok(()) }
/// ```
#[must_use]
pub fn payload<M: prost::Message>(message: &M) -> Payload {
    Payload(message.encode_to_vec())
}

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl fmt::Debug for Payload {
    /// Without the bytes, which may be somebody's secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}
