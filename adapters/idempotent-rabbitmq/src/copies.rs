//! What a copy of a message keeps of it, and what it says besides.

use idempotent_core::consumer::{Message, ParkReason};
use lapin::BasicProperties;
use lapin::types::{AMQPValue, FieldTable};

use crate::header_names::{
    ATTEMPTS, CONSUMER, DELIVERIES, ERROR, EXCHANGE, GENERATION, PARKED, QUEUE, REASON,
    ROUTING_KEY, UNKNOWN, is_the_brokers,
};
use crate::received::generation;

/// How much of an error is kept, in bytes.
const MAX_ERROR: usize = 1024;
const PERSISTENT: u8 = 2;
/// The headers by which a broker routes a message to further queues.
const SENDER_SELECTED: [&str; 2] = ["CC", "BCC"];

/// What is copied.
#[derive(Clone, Debug)]
pub(crate) struct Original {
    pub(crate) properties: BasicProperties,
    pub(crate) exchange: String,
    pub(crate) routing_key: String,
}

/// Why a message is parked.
#[derive(Clone, Debug)]
pub(crate) struct Parking {
    pub(crate) reason: ParkReason,
    pub(crate) error: String,
    pub(crate) attempts: u32,
    pub(crate) consumer: String,
    pub(crate) queue: String,
}

impl Original {
    /// The copy that waits for its next delivery.
    pub(crate) fn delayed(&self, read: &Message) -> BasicProperties {
        let mut headers = self.headers();
        let deliveries = match read.delivery_count().map(i64::try_from) {
            Some(Ok(count)) => AMQPValue::LongLongInt(count),
            _ => text(UNKNOWN),
        };
        headers.insert(DELIVERIES.into(), deliveries);
        self.with(headers)
    }

    /// The copy that is parked.
    pub(crate) fn parked(&self, why: &Parking) -> BasicProperties {
        let mut headers = self.headers();
        let generation = i64::try_from(generation(&self.properties)).unwrap_or(0).saturating_add(1);
        for (name, value) in [
            (REASON, text(why.reason.as_str())),
            (ERROR, text(shortened(&why.error))),
            (ATTEMPTS, AMQPValue::LongLongInt(why.attempts.into())),
            (CONSUMER, text(&why.consumer)),
            (QUEUE, text(&why.queue)),
            (GENERATION, AMQPValue::LongLongInt(generation)),
        ] {
            headers.insert(name.into(), value);
        }
        self.with(headers)
    }

    /// The message's own headers, and where it came from.
    fn headers(&self) -> FieldTable {
        let mut headers = FieldTable::default();
        for (name, value) in self.properties.headers().iter().flat_map(FieldTable::inner) {
            let text = name.as_str();
            let is_ours = text == DELIVERIES || text.starts_with(PARKED);
            if !is_ours && !is_the_brokers(text) && !SENDER_SELECTED.contains(&text) {
                headers.insert(name.clone(), value.clone());
            }
        }
        headers.insert(EXCHANGE.into(), text(&self.exchange));
        headers.insert(ROUTING_KEY.into(), text(&self.routing_key));
        headers
    }

    /// Without `expiration`, which would end its life in another queue, and without `user_id`, which only that user may
    /// write. What is copied survives a restart of the broker.
    fn with(&self, headers: FieldTable) -> BasicProperties {
        let from = &self.properties;
        let mut copy =
            BasicProperties::default().with_headers(headers).with_delivery_mode(PERSISTENT);
        macro_rules! keep {
            ($($get:ident $with:ident)*) => {
                $(if let Some(value) = from.$get() { copy = copy.$with(value.clone()); })*
            };
        }
        keep! {
            content_type with_content_type
            content_encoding with_content_encoding
            priority with_priority
            correlation_id with_correlation_id
            reply_to with_reply_to
            message_id with_message_id
            timestamp with_timestamp
            kind with_type
            app_id with_app_id
        }
        copy
    }
}

fn text(text: &str) -> AMQPValue {
    AMQPValue::LongString(text.into())
}

fn shortened(error: &str) -> &str {
    let mut length = error.len().min(MAX_ERROR);
    while !error.is_char_boundary(length) {
        length -= 1;
    }
    &error[..length]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn original() -> Original {
        let mut headers = FieldTable::default();
        for name in
            ["tenant", "CC", "BCC", "x-death", "x-first-death-queue", "x-delivery-count", ERROR]
        {
            headers.insert(name.into(), text("1"));
        }
        let properties = BasicProperties::default()
            .with_headers(headers)
            .with_message_id("order-7".into())
            .with_expiration("1000".into())
            .with_user_id("shop".into())
            .with_delivery_mode(1);
        Original { properties, exchange: "shop".to_owned(), routing_key: "orders.new".to_owned() }
    }

    fn names(copy: &BasicProperties) -> Vec<&str> {
        let headers = copy.headers().as_ref().unwrap().inner();
        headers.keys().map(lapin::types::ShortString::as_str).collect()
    }

    #[test]
    fn a_copy_keeps_the_id_and_nothing_that_would_end_or_multiply_it() {
        let copy = original().delayed(&Message::new("order-7", "orders.new", ""));
        assert_eq!(names(&copy), [DELIVERIES, EXCHANGE, ROUTING_KEY, "tenant"]);
        assert_eq!(copy.message_id().as_ref().unwrap().as_str(), "order-7");
        assert_eq!((copy.expiration(), copy.user_id()), (&None, &None));
        assert_eq!(copy.delivery_mode(), &Some(PERSISTENT));
    }

    #[test]
    fn each_parking_counts_a_generation_and_says_why() {
        let mut original = original();
        let why = Parking {
            reason: ParkReason::Permanent,
            error: "ä".repeat(2000),
            attempts: 3,
            consumer: "shop.ship".to_owned(),
            queue: "orders".to_owned(),
        };
        for generation in 1..4 {
            let parked = original.parked(&why);
            assert_eq!(super::generation(&parked), generation);
            let error = crate::received::header(&parked, ERROR).unwrap();
            assert_eq!(error.as_long_string().unwrap().len(), MAX_ERROR);
            original.properties = parked;
        }
    }
}
