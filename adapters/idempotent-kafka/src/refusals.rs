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
