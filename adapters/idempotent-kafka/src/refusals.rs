//! Which errors of the client are no outage.

use idempotent_core::consumer::SourceError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Whether servers answer, and say that this client may not.
pub(crate) fn is_refusal(code: Option<Code>) -> bool {
    matches!(
        code,
        Some(
            Code::Authentication
                | Code::SaslAuthenticationFailed
                | Code::TopicAuthorizationFailed
                | Code::GroupAuthorizationFailed
                | Code::ClusterAuthorizationFailed
                | Code::InvalidGroupId
                | Code::InvalidSessionTimeout
                | Code::InconsistentGroupProtocol
                | Code::UnsupportedVersion
        )
    )
}

/// An error at the start, as the consumer takes it.
pub(crate) fn of_client(error: KafkaError) -> SourceError {
    match error.rdkafka_error_code() {
        code if is_refusal(code) => {
            SourceError::misconfigured(format!("the broker refuses the client: {error}"))
        }
        _ => SourceError::unavailable(error),
    }
}

/// Whether the group goes on without this member's generation, so that no commit of it is taken any more.
pub(crate) fn has_moved_on(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            Code::RebalanceInProgress
                | Code::IllegalGeneration
                | Code::UnknownMemberId
                | Code::FencedInstanceId
        )
    )
}

/// What is wrong with one partition, and does not pass by itself.
pub(crate) fn of_partition(error: &KafkaError) -> Option<SourceError> {
    match error.rdkafka_error_code()? {
        Code::AutoOffsetReset => Some(SourceError::gone(
            "the group has committed no offset of a partition, or one that is not there any more, and \
             `auto.offset.reset` is `error`: set one with `kafka-consumer-groups --reset-offsets`, or write `earliest`",
        )),
        Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition => {
            Some(SourceError::unavailable(format!("a topic or a partition is gone: {error}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use idempotent_core::consumer::SourceErrorKind::{Gone, Unavailable};

    use super::*;

    #[test]
    fn a_partition_that_cannot_be_read_is_told_from_one_that_is_at_its_end() {
        for (code, kind) in [
            (Code::AutoOffsetReset, Some(Gone)),
            (Code::UnknownTopicOrPartition, Some(Unavailable)),
            (Code::UnknownTopic, Some(Unavailable)),
            (Code::UnknownPartition, Some(Unavailable)),
            (Code::PartitionEOF, None),
        ] {
            let failure = of_partition(&KafkaError::MessageConsumption(code));
            assert_eq!(failure.map(|failure| failure.kind()), kind, "{code:?}");
        }
    }
}
