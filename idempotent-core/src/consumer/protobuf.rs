//! [`Protobuf`]: a payload that prost decodes.

use super::message::Message;
use super::payload::{FromMessage, InvalidPayload};

/// A payload in Protocol Buffers, decoded by prost.
///
/// ```
/// use idempotent_core::consumer::{FromMessage, Message, Protobuf};
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// struct Order {
///     #[prost(uint64, tag = "1")]
///     id: u64,
/// }
///
/// let message = Message::new("7", "orders", vec![0x08, 0x07]);
/// let Protobuf(order) = Protobuf::<Order>::from_message(&message)?;
/// assert_eq!(order.id, 7);
/// # Ok::<(), idempotent_core::consumer::InvalidPayload>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Protobuf<T>(pub T);

impl<T: prost::Message + Default + 'static> FromMessage for Protobuf<T> {
    type Error = InvalidPayload;

    fn from_message(message: &Message) -> Result<Self, Self::Error> {
        let decoded = T::decode(message.payload().clone());
        decoded.map(Protobuf).map_err(|_| InvalidPayload::new("the payload is no such message"))
    }
}
