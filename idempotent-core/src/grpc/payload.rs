//! A message as the payload of a fingerprint.

use std::fmt;

use serde::{Serialize, Serializer};

/// The encoded message of a request, as made by [`payload`].
#[derive(Clone, PartialEq, Eq)]
pub struct Payload(Vec<u8>);

/// Makes a fingerprint cover a message: `fingerprint = grpc::payload(request.get_ref())`. The same key
/// with another message is then refused.
///
/// Messages are compared by their encoding, in which the entries of a `HashMap` have no fixed order.
/// Generate maps as `BTreeMap`, with `btree_map(["."])` in the build script. Otherwise the retry of a
/// message with two entries may be refused as another message.
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
    /// Omits the bytes, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.0.len())
    }
}
