//! [`CloudEvent`], and its key.

use std::fmt;
use std::time::SystemTime;

use bytes::Bytes;

use super::attributes::Attributes;
use super::error::InvalidCloudEvent;
use super::headers::{self, Mode};
use super::structured;
use crate::consumer::message::Message;
use crate::consumer::payload::FromMessage;

/// A message that is an event by the [CloudEvents](https://cloudevents.io) specification, version 1.0, with data that is
/// [made](FromMessage) as that of other messages: `CloudEvent<Json<Order>>`, `CloudEvent<Vec<u8>>`.
///
/// Both content modes are read:
///
/// * *Binary*: the attributes are headers, and the payload is the data. Their names begin with `ce-` (NATS, HTTP), `ce_` (Kafka),
///   `cloudEvents:` or `cloudEvents_` (AMQP), in any case, and the header `content-type` is the attribute `datacontenttype`.
///   With `ce-`, values are percent-encoded. With those of AMQP, a `time` of digits alone is in seconds since 1970.
/// * *Structured*: the payload is a JSON object, and the content type `application/cloudevents+json`. That is also tried if
///   there are no such headers and no content type.
///
/// A message that is no valid event is [parked](crate::consumer::ParkReason::Undecodable), with the text of an
/// [`InvalidCloudEvent`]. So is a batch of events.
///
/// ```
/// use idempotent_core::consumer::{CloudEvent, FromMessage, Json, Message};
///
/// let message = Message::new("7", "orders.placed", r#"{"order":7}"#)
///     .with_header("ce-specversion", "1.0")
///     .with_header("ce-id", "order-7")
///     .with_header("ce-source", "/shop")
///     .with_header("ce-type", "com.example.order.placed")
///     .with_header("ce-tenant", "tea%20house")
///     .with_header("content-type", "application/json");
/// let event = CloudEvent::<Json<serde_json::Value>>::from_message(&message)?;
/// assert_eq!((event.source(), event.id()), ("/shop", "order-7"));
/// assert_eq!(event.extension("tenant"), Some("tea house"));
/// assert_eq!(event.data().0["order"], 7);
/// # Ok::<(), idempotent_core::consumer::InvalidCloudEvent>(())
/// ```
///
/// A message's [id](Message::id) is its broker's, and stays what makes two messages the same one. Producers that know nothing
/// of that one make an event unique by its source and its id: then write [`cloud_event_key`].
///
/// ```
/// # use idempotent_core::{Idempotency, backends::MemoryStore};
/// use idempotent_core::consumer::{CloudEvent, Consumer, Json, cloud_event_key};
///
/// #[derive(serde::Deserialize)]
/// struct OrderPlaced {
///     order: u64,
/// }
///
/// # let engine = Idempotency::new(MemoryStore::new());
/// let consumer = Consumer::builder("shop.order-placed", &engine)
///     .key(cloud_event_key)
///     .handler(|event: CloudEvent<Json<OrderPlaced>>| async move {
///         println!("order {} at {:?}", event.data().0.order, event.time());
///         Ok::<_, std::convert::Infallible>(())
///     });
/// ```
///
/// The payload's digest is compared as with every message, so the same event in another mode, or with its members in another
/// order, is another payload: see [`without_fingerprint`](crate::consumer::ConsumerBuilder::without_fingerprint).
#[derive(Clone, PartialEq, Eq)]
pub struct CloudEvent<T> {
    attributes: Attributes,
    data: T,
}

/// The source and the id of a message that is a [`CloudEvent`], which together make it unique: for
/// [`ConsumerBuilder::key`](crate::consumer::ConsumerBuilder::key). The two are parts of their own, so that no two events share a
/// key. `None` if it is no event.
///
/// * Both count against [`max_key_bytes`](crate::IdempotencyBuilder::max_key_bytes), 255 by default. A message whose key is
///   longer is [parked](crate::consumer::ParkReason::InvalidKey).
/// * Headers that begin with `ce-` are percent-decoded, as the draft 1.0.3 of the NATS binding says. Some producers do not
///   encode them, such as the Go SDK: their ids and sources must not have a `%`, or two of them may become one.
///
/// ```
/// use idempotent_core::consumer::{Message, cloud_event_key};
///
/// let event = r#"{"specversion":"1.0","id":"7","source":"/shop","type":"placed"}"#;
/// let key = cloud_event_key(&Message::new("stream/1", "orders", event));
/// assert_eq!(key, Some(("/shop".to_owned(), "7".to_owned())));
/// assert_eq!(cloud_event_key(&Message::new("stream/2", "orders", "tea")), None);
/// ```
#[must_use]
pub fn cloud_event_key(message: &Message) -> Option<(String, String)> {
    let (attributes, _) = read(message).ok()?;
    Some((attributes.required("source").to_owned(), attributes.required("id").to_owned()))
}

/// The attributes, and the bytes of the data.
fn read(message: &Message) -> Result<(Attributes, Bytes), InvalidCloudEvent> {
    let (attributes, data) = match headers::mode(message)? {
        Mode::Binary => (headers::attributes(message)?, message.payload().clone()),
        Mode::Structured => structured::read(message.payload())?,
    };
    Ok((attributes.validated()?, data))
}

impl<T> CloudEvent<T> {
    /// What makes it unique among the events of its source.
    #[must_use]
    pub fn id(&self) -> &str {
        self.attributes.required("id")
    }

    /// Where it happened: a URI, or a reference to one.
    #[must_use]
    pub fn source(&self) -> &str {
        self.attributes.required("source")
    }

    /// What kind of event it is: the attribute `type`.
    #[must_use]
    pub fn event_type(&self) -> &str {
        self.attributes.required("type")
    }

    /// What of its source it is about.
    #[must_use]
    pub fn subject(&self) -> Option<&str> {
        self.attributes.get("subject")
    }

    /// When it happened.
    #[must_use]
    pub fn time(&self) -> Option<SystemTime> {
        self.attributes.time()
    }

    /// The media type of its data.
    #[must_use]
    pub fn data_content_type(&self) -> Option<&str> {
        self.attributes.get("datacontenttype")
    }

    /// The URI of its data's schema.
    #[must_use]
    pub fn data_schema(&self) -> Option<&str> {
        self.attributes.get("dataschema")
    }

    /// An extension, or any other attribute, by its name. Numbers, and what is true or false, are text.
    #[must_use]
    pub fn extension(&self, name: &str) -> Option<&str> {
        self.attributes.get(name)
    }

    /// All attributes, extensions included.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        self.attributes.all()
    }

    /// Its data.
    #[must_use]
    pub fn data(&self) -> &T {
        &self.data
    }

    /// Its data, without its attributes.
    #[must_use]
    pub fn into_data(self) -> T {
        self.data
    }
}

impl<T: FromMessage> FromMessage for CloudEvent<T> {
    type Error = InvalidCloudEvent;

    fn from_message(message: &Message) -> Result<Self, Self::Error> {
        let (attributes, data) = read(message)?;
        let data = T::from_message(&message.clone().with_payload(data));
        let data = data.map_err(|error| InvalidCloudEvent::InvalidData(error.to_string()))?;
        Ok(Self { attributes, data })
    }
}

impl<T> fmt::Debug for CloudEvent<T> {
    /// Without the data and the extensions, which may be sensitive.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CloudEvent")
            .field("id", &self.id())
            .field("source", &self.source())
            .field("type", &self.event_type())
            .finish_non_exhaustive()
    }
}
