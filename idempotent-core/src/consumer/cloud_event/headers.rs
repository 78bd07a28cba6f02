//! The binary content mode: attributes are headers, and the payload is the data.

use super::attributes::Attributes;
use super::error::InvalidCloudEvent;
use super::text::decoded;
use super::time::from_seconds;
use crate::consumer::message::Message;

/// How brokers' bindings begin the names of attributes: NATS and HTTP, Kafka, and AMQP in two ways. With the first,
/// values are percent-encoded.
const PREFIXES: [&str; 4] = ["ce-", "ce_", "cloudevents:", "cloudevents_"];
const ENCODED: &str = "ce-";
/// How those of AMQP begin, which has a type for times.
const AMQP: &str = "cloudevents";

/// What a message's content type says.
pub(super) enum Mode {
    Binary,
    Structured,
}

/// The content mode. Without a content type and attributes the payload must say it all, as that of servers without
/// headers does.
pub(super) fn mode(message: &Message) -> Result<Mode, InvalidCloudEvent> {
    let content_type = content_type(message)?.unwrap_or_default().to_ascii_lowercase();
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    match media_type.strip_prefix("application/cloudevents") {
        Some("+json") => Ok(Mode::Structured),
        Some(_) => Err(InvalidCloudEvent::UnsupportedFormat),
        None if media_type.is_empty() && attribute_headers(message).next().is_none() => {
            Ok(Mode::Structured)
        }
        None => Ok(Mode::Binary),
    }
}

pub(super) fn attributes(message: &Message) -> Result<Attributes, InvalidCloudEvent> {
    let mut attributes = Attributes::default();
    for (prefix, name, value) in attribute_headers(message) {
        let value = match prefix {
            ENCODED => decoded(value)
                .ok_or_else(|| InvalidCloudEvent::attribute(&name, "percent-encoded UTF-8"))?,
            _ if prefix.starts_with(AMQP) && name == "time" => {
                from_seconds(value).unwrap_or_else(|| value.to_owned())
            }
            _ => value.to_owned(),
        };
        attributes.insert(&name, value)?;
    }
    if let (Some(content_type), None) = (content_type(message)?, attributes.get("datacontenttype"))
    {
        attributes.insert("datacontenttype", content_type.to_owned())?;
    }
    Ok(attributes)
}

fn content_type(message: &Message) -> Result<Option<&str>, InvalidCloudEvent> {
    let mut all = message.headers().filter(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let first = all.next().map(|(_, value)| value);
    match all.next() {
        Some(_) => Err(InvalidCloudEvent::Twice("content-type".to_owned())),
        None => Ok(first),
    }
}

/// Prefix, name and value of each header that is an attribute. Clients of some brokers change the case of names.
fn attribute_headers(message: &Message) -> impl Iterator<Item = (&'static str, String, &str)> {
    message.headers().filter_map(|(header, value)| {
        let header = header.to_ascii_lowercase();
        let prefix = PREFIXES.into_iter().find(|prefix| header.starts_with(prefix))?;
        Some((prefix, header.get(prefix.len()..)?.to_owned(), value))
    })
}
