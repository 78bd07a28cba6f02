//! What the answers of a server of NATS mean for a message.

use std::error::Error as StdError;

use async_nats::jetstream;
use async_nats::jetstream::context::{
    PublishError as NatsError, PublishErrorKind as NatsErrorKind,
};

use crate::outbox::{PublishError, PublishErrorKind};

/// The texts of a full stream within the error code [`STORE_FAILED`].
const FULL: [&str; 2] = ["maximum messages exceeded", "maximum bytes exceeded"];

/// A stream could not store a message. Its text says why.
const STORE_FAILED: u64 = 10_077;

/// What an error means. That nobody answered is the business of `destination`.
pub(super) fn of(error: NatsError) -> PublishError {
    let refusal = error.source().and_then(|source| source.downcast_ref::<jetstream::Error>());
    let kind = match (error.kind(), refusal) {
        (NatsErrorKind::MaxPayloadExceeded, _) => PublishErrorKind::Poison,
        (_, Some(refusal)) => of_code(refusal.error_code().0, &refusal.to_string()),
        // Somebody else than a stream replied to it.
        (NatsErrorKind::Other, None)
            if error.source().is_some_and(<dyn StdError>::is::<serde_json::Error>) =>
        {
            PublishErrorKind::Destination
        }
        // Nothing came back, or nothing was sent.
        _ => PublishErrorKind::Unavailable,
    };
    PublishError::new(kind, error)
}

/// What an error code of `JetStream` means: those that servers up to 2.14 send in reply to a published
/// message, by `server/errors.json` and `server/stream.go` of nats-server.
///
/// A code that is not listed is a refusal: the server has answered, so it is there, and a refused message
/// holds up its key only until it is parked.
fn of_code(code: u64, text: &str) -> PublishErrorKind {
    match code {
        // The account or the server has no room, in memory or on disk.
        10_002 | 10_023 | 10_028 | 10_047
        // The cluster has no leader, or not this one; the stream's servers are not there.
        | 10_004 | 10_008 | 10_009 | 10_010 | 10_041 | 10_048 | 10_118 | 10_194
        // JetStream is not enabled, for this account or at all.
        | 10_035 | 10_039 | 10_076
        // Too much is under way.
        | 10_163 | 10_167 | 10_210 | 10_211
        // An earlier attempt with this id is still under way, so the message may already be there. The next
        // attempt finds out.
        | 10_158 => PublishErrorKind::Unavailable,

        // Full streams have room again once something is consumed or deleted. Others do not.
        STORE_FAILED if FULL.iter().any(|full| text.contains(full)) => PublishErrorKind::Unavailable,
        STORE_FAILED if text.contains("message too large") => PublishErrorKind::Poison,

        // The stream is gone, is sealed, or takes only counters.
        10_059 | 10_096 | 10_109 | 10_169 | 10_172 => PublishErrorKind::Destination,

        // The message or its headers are larger than the stream allows.
        10_054 | 10_097
        // It has headers that the stream refuses: another stream's name, a bad or disabled time to live,
        // counter, batch, schedule, rollup or source.
        | 10_060 | 10_111 | 10_165 | 10_166 | 10_168 | 10_170 | 10_171
        | 10_174..=10_177 | 10_179 | 10_188..=10_193 | 10_199..=10_201 | 10_203
        | 10_205..=10_208 | 10_212 | 10_223 | 10_227 => PublishErrorKind::Poison,

        // It does not follow what it expects: 10_070, 10_071, 10_164, 10_180. Only headers of its own can
        // expect anything, and no message has them.
        _ => PublishErrorKind::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(code: u64) -> PublishErrorKind {
        of_code(code, "")
    }

    #[test]
    fn what_passes_by_itself_is_unavailable() {
        for code in [10_002, 10_008, 10_009, 10_023, 10_047, 10_076, 10_118, 10_167] {
            assert_eq!(kind(code), PublishErrorKind::Unavailable, "{code}");
        }
        for text in FULL {
            assert_eq!(of_code(STORE_FAILED, text), PublishErrorKind::Unavailable, "{text}");
        }
    }

    #[test]
    fn an_id_that_is_being_stored_is_no_refusal() {
        assert_eq!(kind(10_158), PublishErrorKind::Unavailable);
    }

    #[test]
    fn what_no_repetition_changes_is_poison() {
        for code in [10_054, 10_060, 10_097, 10_165, 10_166, 10_174, 10_189, 10_227] {
            assert_eq!(kind(code), PublishErrorKind::Poison, "{code}");
        }
        assert_eq!(of_code(STORE_FAILED, "message too large"), PublishErrorKind::Poison);
    }

    #[test]
    fn what_is_wrong_with_the_stream_is_told_from_the_message() {
        for code in [10_059, 10_109, 10_169] {
            assert_eq!(kind(code), PublishErrorKind::Destination, "{code}");
        }
    }

    #[test]
    fn no_code_holds_up_a_key_for_ever_by_default() {
        for code in [10_001, 10_070, 10_071, 10_999, 20_000, u64::MAX] {
            assert_eq!(kind(code), PublishErrorKind::Refused, "{code}");
        }
        let text = "maximum messages per subject exceeded";
        assert_eq!(of_code(STORE_FAILED, text), PublishErrorKind::Refused);
    }
}
