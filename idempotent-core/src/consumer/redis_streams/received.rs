//! Reading an entry of a stream: its payload, its id, its headers.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use redis::Value;

use super::field_names::{MESSAGE_ID, PREFIX};
use crate::consumer::Message;

/// Fields of an entry that say where it came from, and that its producer may send anew each time.
const TRACING: [&str; 2] = ["traceparent", "tracestate"];
/// Entries have the server's time as the first half of their ids, in milliseconds, unless producers name them. Then it
/// is usually a small number, which another stream of that name may have as well: one that was deleted and made anew.
const YEAR_2001: u64 = 1_000_000_000_000;

/// How entries are read.
#[derive(Clone, Debug)]
pub(super) struct Fields {
    pub(super) payload: String,
    pub(super) id: Option<String>,
}

/// An entry of a stream, as the server sends it.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) deliveries: u64,
    pub(super) fields: Arc<[(Bytes, Bytes)]>,
}

/// What a server answers, if it is an entry.
pub(super) fn entry(id: Value, deliveries: u64, fields: Value) -> Option<Entry> {
    let id = String::from_utf8(bytes(id)?.into()).ok()?;
    let Value::Array(fields) = fields else { return None };
    let mut pairs = Vec::with_capacity(fields.len() / 2);
    let mut fields = fields.into_iter();
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        pairs.push((bytes(name)?, bytes(value)?));
    }
    Some(Entry { id, deliveries, fields: pairs.into() })
}

/// The bytes of a string.
pub(super) fn bytes(value: Value) -> Option<Bytes> {
    match value {
        Value::BulkString(bytes) => Some(bytes.into()),
        Value::SimpleString(text) => Some(text.into_bytes().into()),
        _ => None,
    }
}

impl Entry {
    /// The message that it is.
    pub(super) fn read(&self, stream: &str, names: &Fields) -> Message {
        let position = format!("{stream}/{}", self.id);
        let id = self.text(MESSAGE_ID).or_else(|| self.text(names.id.as_deref()?));
        let payload = self.payload(&names.payload);
        let mut message = match (id, published_at(&self.id)) {
            (Some(id), _) => Message::new(id, stream, payload).at(position),
            (None, Some(_)) if names.id.is_none() => {
                Message::new(position, stream, payload).without_own_id()
            }
            // Refused as a key.
            _ => Message::new("", stream, payload).at(position),
        };
        for (name, value) in self.fields.iter() {
            let (Some(name), Some(value)) = (text(name), text(value)) else { continue };
            if name != names.payload && !name.starts_with(PREFIX) {
                message = message.with_header(name, value);
            }
        }
        if let Some(millis) = published_at(&self.id) {
            message = message.with_published_at(SystemTime::UNIX_EPOCH + millis);
        }
        message.with_delivery_count(self.deliveries)
    }

    /// The first field with this name that is not empty.
    fn text(&self, name: &str) -> Option<&str> {
        let mut named = self.fields.iter().filter(|(given, _)| given == name.as_bytes());
        named.find_map(|(_, value)| text(value).filter(|text| !text.is_empty()))
    }

    /// The field of that name; where there is none, all fields.
    fn payload(&self, name: &str) -> Bytes {
        match self.fields.iter().find(|(given, _)| given == name.as_bytes()) {
            Some((_, payload)) => payload.clone(),
            None => self.as_json().into(),
        }
    }

    /// An object of the fields, in the order of their names. Bytes that are no UTF-8 are replaced.
    fn as_json(&self) -> Vec<u8> {
        let lossy = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let fields = self.fields.iter().map(|(name, value)| (lossy(name), lossy(value)));
        let is_payload = |name: &str| !name.starts_with(PREFIX) && !TRACING.contains(&name);
        let object: std::collections::BTreeMap<_, _> =
            fields.filter(|(name, _)| is_payload(name)).collect();
        // Text is always JSON.
        serde_json::to_vec(&object).unwrap_or_default()
    }
}

/// When the entry with this id was added, since 1970, if the server has made it.
pub(super) fn published_at(id: &str) -> Option<Duration> {
    let millis = id.split_once('-')?.0.parse().ok()?;
    (millis >= YEAR_2001).then(|| Duration::from_millis(millis))
}

fn text(bytes: &Bytes) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(id: &str, fields: &[(&str, &str)], id_field: Option<&str>) -> Message {
        let owned = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let fields = fields.iter().map(|(name, value)| (owned(name), owned(value))).collect();
        let entry = Entry { id: id.to_owned(), deliveries: 1, fields };
        let names = Fields { payload: "payload".to_owned(), id: id_field.map(str::to_owned) };
        entry.read("orders", &names)
    }

    #[test]
    fn an_id_is_that_of_a_dead_letter_or_of_the_producer_or_of_the_entry() {
        let fields = [("payload", "tea"), ("order", "7"), (MESSAGE_ID, "order-7")];
        assert_eq!(read("5-1", &fields, Some("order")).id(), "order-7");
        assert_eq!(read("5-1", &fields[..2], Some("order")).id(), "7");
        let (server, position) = ("1526919030474-55", "orders/1526919030474-55");
        assert_eq!(read(server, &fields[..2], None).id(), position);
        assert!(!read(server, &fields[..2], None).has_own_id());
        assert_eq!(read("5-1", &fields, None).position(), "orders/5-1");
    }

    #[test]
    fn an_entry_that_its_producer_numbers_has_no_id_of_its_own() {
        assert_eq!(read("5-1", &[("payload", "tea")], None).id(), "");
        assert_eq!(read("5-1", &[("order", "")], Some("order")).id(), "");
    }

    #[test]
    fn an_entry_without_the_field_that_is_named_has_no_id() {
        let server = "1526919030474-55";
        for fields in [[("order", "")], [("payload", "tea")]] {
            assert_eq!(read(server, &fields, Some("order")).id(), "");
        }
    }

    #[test]
    fn of_two_ids_the_first_counts() {
        let fields = [("order", "7"), ("order", "8")];
        assert_eq!(read("5-1", &fields, Some("order")).id(), "7");
    }

    #[test]
    fn the_payload_is_its_field_or_all_of_them_but_ours_and_those_of_tracing() {
        let fields = [("b", "\"2\""), ("a", "1"), ("traceparent", "00-…"), (MESSAGE_ID, "order-7")];
        assert_eq!(read("5-1", &fields, None).payload(), r#"{"a":"1","b":"\"2\""}"#);
        let message = read("5-1", &[("payload", "tea"), ("tenant", "a"), (REASON, "why")], None);
        assert_eq!(message.payload(), "tea");
        assert_eq!(message.headers().collect::<Vec<_>>(), [("tenant", "a")]);
    }

    #[test]
    fn the_time_of_a_message_is_in_ids_that_the_server_has_made() {
        let published = |id| read(id, &[("payload", "tea")], None).published_at();
        let at = SystemTime::UNIX_EPOCH + Duration::from_millis(1_526_919_030_474);
        assert_eq!(published("1526919030474-55"), Some(at));
        assert_eq!(published("7-0"), None);
    }

    use super::super::field_names::REASON;
}
