//! Why nobody acknowledges a message: asks the server which stream takes its subject.

use std::time::Duration;

use async_nats::jetstream::context::{Context, GetStreamByNameErrorKind};
use tokio::time::timeout;

use crate::outbox::PublishError;

/// How long the server may take to answer.
const LIMIT: Duration = Duration::from_secs(1);

/// What is wrong with the destination of a subject; `None` if nothing is, or if the server does not say.
pub(super) async fn fault(context: &Context, subject: &str) -> Option<PublishError> {
    timeout(LIMIT, look(context, subject)).await.ok().flatten()
}

async fn look(context: &Context, subject: &str) -> Option<PublishError> {
    let name = match context.stream_by_subject(subject).await {
        Ok(name) => name,
        Err(error) if error.kind() == GetStreamByNameErrorKind::NotFound => {
            let text = format!("no stream takes the subject `{subject}`");
            return Some(PublishError::destination(text));
        }
        // JetStream itself is not there, or the user may not ask.
        Err(_) => return None,
    };
    let stream = context.get_stream(&name).await.ok()?;
    stream.cached_info().config.no_ack.then(|| {
        let text = format!(
            "the stream `{name}` stores messages without acknowledging them (`no_ack`), so nobody knows \
             whether they arrived"
        );
        PublishError::destination(text)
    })
}
