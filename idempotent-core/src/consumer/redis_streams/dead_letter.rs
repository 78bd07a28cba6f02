//! Parking a message: a copy in the dead-letter stream, under its id.

use redis::{Cmd, Value};

use super::acknowledge::acknowledge;
use super::field_names::{ATTEMPTS, CONSUMER, ERROR, MESSAGE_ID, POSITION, PREFIX, REASON, STREAM};
use super::group::Group;
use super::received::Entry;
use crate::consumer::{Message, ParkReason, SettleError};

/// How much of an error is kept, in bytes.
const MAX_ERROR: usize = 1024;
/// A script cannot pass on more arguments than this.
const MAX_ARGUMENTS: usize = 4000;

/// Where messages are parked.
#[derive(Clone, Debug)]
pub(super) struct DeadLetters {
    pub(super) stream: String,
    pub(super) consumer: String,
    /// Whether one script may write there and settle the message.
    pub(super) is_in_one_slot: bool,
}

/// Why a message is parked.
pub(super) struct Parking<'a> {
    pub(super) reason: ParkReason,
    pub(super) error: &'a str,
    pub(super) attempts: u32,
}

/// How far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parked {
    /// The copy is there.
    Copied,
    /// And the message is settled.
    Settled,
}

impl DeadLetters {
    /// Adds the copy and settles the message, in one go where that is possible: then there is one copy, however often it
    /// is tried. Nothing is done about a message that is another consumer's by now.
    pub(super) async fn park(
        &self,
        group: &Group,
        entry: &Entry,
        read: &Message,
        why: &Parking<'_>,
    ) -> Result<Parked, SettleError> {
        let fields = self.fields(entry, read, why);
        let delivery = entry.deliveries.to_string();
        let of_entry = [
            group.name.as_bytes(),
            entry.id.as_bytes(),
            group.member.as_bytes(),
            delivery.as_bytes(),
        ];
        if self.is_in_one_slot && fields.len() < MAX_ARGUMENTS {
            let mut arguments = of_entry.to_vec();
            arguments.extend(fields.iter().map(Vec::as_slice));
            let keys = [group.stream.as_str(), self.stream.as_str()];
            let parked = group.commands.run(&group.scripts.park, &keys, &arguments).await;
            return parked.map(|_| Parked::Settled).map_err(SettleError::new);
        }
        let asked = group.commands.run(&group.scripts.may_park, &[&group.stream], &of_entry).await;
        if asked.map_err(SettleError::new)? == Value::Int(0) {
            return Ok(Parked::Settled);
        }
        let mut add = Cmd::new();
        add.arg("XADD").arg(&self.stream).arg("*").arg(fields);
        group.commands.once(&self.stream, &add).await.map_err(SettleError::new)?;
        Ok(Parked::Copied)
    }

    /// Names and values of the message's own fields, and of ours.
    fn fields(&self, entry: &Entry, read: &Message, why: &Parking<'_>) -> Vec<Vec<u8>> {
        let own = entry.fields.iter().filter(|(name, _)| !name.starts_with(PREFIX.as_bytes()));
        let mut fields: Vec<_> =
            own.flat_map(|(name, value)| [name.to_vec(), value.to_vec()]).collect();
        for (name, value) in [
            (MESSAGE_ID, read.id()),
            (REASON, why.reason.as_str()),
            (ERROR, &line(why.error)),
            (ATTEMPTS, &why.attempts.to_string()),
            (CONSUMER, &self.consumer),
            (STREAM, read.topic()),
            (POSITION, read.position()),
        ] {
            fields.extend([name.into(), value.into()]);
        }
        fields
    }
}

/// Settles a message that was copied.
pub(super) async fn settle_copied(group: &Group, entry: &Entry) -> Result<(), SettleError> {
    acknowledge(group, &entry.id).await
}

/// One line, not too long.
fn line(text: &str) -> String {
    let mut line: String =
        text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_ERROR).collect();
    while line.len() > MAX_ERROR {
        line.pop();
    }
    line.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    #[test]
    fn a_copy_has_the_fields_of_its_message_but_what_it_says_of_an_earlier_parking() {
        let letters = DeadLetters {
            stream: "dead".into(),
            consumer: "shop.ship".into(),
            is_in_one_slot: true,
        };
        let field = |name: &'static str, value: &'static str| {
            (Bytes::from_static(name.as_bytes()), Bytes::from_static(value.as_bytes()))
        };
        let fields = [field("payload", "tea"), field(REASON, "permanent"), field("tenant", "a")];
        let entry = Entry { id: "5-1".into(), deliveries: 1, fields: fields.into() };
        let read = Message::new("order-7", "orders", "tea").at("orders/5-1");
        let error = "the carrier\r\nis down";
        let why = Parking { reason: ParkReason::AttemptsUsedUp, error, attempts: 2 };
        let fields = letters.fields(&entry, &read, &why);
        let fields: Vec<_> = fields.iter().map(|it| String::from_utf8_lossy(it)).collect();
        assert_eq!(fields[..6], ["payload", "tea", "tenant", "a", MESSAGE_ID, "order-7"]);
        assert_eq!(fields[6..10], [REASON, "attempts_used_up", ERROR, "the carrier  is down"]);
        assert_eq!(fields[10..14], [ATTEMPTS, "2", CONSUMER, "shop.ship"]);
        assert_eq!(fields[14..], [STREAM, "orders", POSITION, "orders/5-1"]);
    }
}
