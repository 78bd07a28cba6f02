//! Which messages are valid. Every way in asks here: drafts, relays, and brokers.

use super::OutboxError;

const MAX_KEY_BYTES: usize = 512;

/// The beginnings of header names that belong to brokers, and of those that relays add, in lower case.
///
/// A server of NATS reads its own as commands: to expect a sequence, to delete what is older, to forget the
/// message after a time. A repeated message would then be refused, or mean another thing.
const RESERVED: [&str; 2] = ["nats-", "outbox-"];

/// The parts of a message on which it depends whether a broker can carry it.
#[derive(Clone, Copy)]
pub(super) struct MessageCheck<'a> {
    pub(super) topic: &'a str,
    pub(super) key: &'a str,
}

impl MessageCheck<'_> {
    /// Checks topic, key and headers.
    pub(super) fn check<'h>(
        self,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
    ) -> Result<(), OutboxError> {
        if self.topic.is_empty() || self.key.is_empty() {
            return Err(OutboxError::invalid("a message must have a topic and a key"));
        }
        if self.key.len() > MAX_KEY_BYTES {
            return Err(OutboxError::invalid(
                "the key of a message must not be longer than 512 bytes",
            ));
        }
        check_text(self.topic)?;
        check_text(self.key)?;
        for (name, value) in headers {
            check_name(name)?;
            check_text(value)?;
        }
        Ok(())
    }
}

fn check_text(text: &str) -> Result<(), OutboxError> {
    if text.contains(char::is_control) {
        return Err(OutboxError::invalid(
            "topic, key and headers of a message must not contain control characters",
        ));
    }
    // Brokers trim it, and two keys would become the same.
    if text.trim() != text {
        return Err(OutboxError::invalid(
            "topic, key and headers of a message must not begin or end with white space",
        ));
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), OutboxError> {
    let is_visible = name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
    if name.is_empty() || !is_visible {
        return Err(OutboxError::invalid(
            "the name of a header must be visible ASCII without a colon",
        ));
    }
    let is_reserved = |prefix: &&str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if RESERVED.iter().any(is_reserved) {
        return Err(OutboxError::invalid(
            "headers whose names begin with `Nats-` or `Outbox-` are reserved for the broker and the relay",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_valid(topic: &str, key: &str, headers: &[(&str, &str)]) -> bool {
        MessageCheck { topic, key }.check(headers.iter().copied()).is_ok()
    }

    #[test]
    fn a_message_that_no_broker_could_carry_is_invalid() {
        let long = "k".repeat(513);
        for (topic, key) in [
            ("", "k"),
            ("t", ""),
            ("t", &*long),
            ("t", "a\nb"),
            ("t\0", "k"),
            ("t ", "k"),
            ("t", " k"),
        ] {
            assert!(!is_valid(topic, key, &[]), "{topic:?} {key:?}");
        }
        for header in [
            ("a", "v "),
            ("a", "\tv"),
            ("a", "\u{3000}v"),
            ("a", "v\r\nb: c"),
            ("a", "v\nb"),
            ("", "v"),
            ("a:b", "v"),
            ("a b", "v"),
            ("a\r\nb", "v"),
            ("ä", "v"),
        ] {
            assert!(!is_valid("t", "k", &[("fine", "v"), header]), "{header:?}");
        }
    }

    #[test]
    fn headers_of_brokers_and_relays_are_reserved_however_they_are_written() {
        for name in [
            "Nats-TTL",
            "Nats-Msg-Id",
            "Nats-Rollup",
            "nats-expected-stream",
            "NATS-Expected-Last-Sequence",
            "Outbox-Key",
            "outbox-published-at",
        ] {
            assert!(!is_valid("t", "k", &[(name, "v")]), "{name}");
        }
        for name in ["Nats", "nat", "X-Nats-TTL", "Outboxes"] {
            assert!(is_valid("t", "k", &[(name, "v")]), "{name}");
        }
    }

    #[test]
    fn the_longest_key_and_blanks_inside_are_valid() {
        assert!(is_valid("t", &"k".repeat(512), &[("a-b", "ü ü"), ("c", "")]));
    }
}
