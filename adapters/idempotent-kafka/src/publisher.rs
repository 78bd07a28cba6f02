//! [`Publisher`]: produces copies of messages, and knows whether the broker has them.

use std::fmt;
use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::OwnedHeaders;
use rdkafka::producer::{FutureProducer, FutureRecord, Producer};
use rdkafka::util::Timeout;

use crate::received::Received;

/// How long a copy waits for room among those that are under way.
const QUEUED_WITHIN: Duration = Duration::from_secs(5);

/// Produces copies, each confirmed by all replicas that are in sync.
pub(crate) struct Publisher(Option<FutureProducer>);

impl Publisher {
    pub(crate) fn new(producer: FutureProducer) -> Self {
        Self(Some(producer))
    }

    /// Produces a copy, and returns once the broker has it.
    pub(crate) async fn publish(
        &self,
        topic: &str,
        of: &Received,
        headers: OwnedHeaders,
    ) -> Result<(), KafkaError> {
        let mut record = FutureRecord::<[u8], [u8]>::to(topic).headers(headers);
        record.key = of.key.as_deref();
        record.payload = Some(of.message.payload()).filter(|_| !of.is_tombstone).map(|it| &**it);
        match self.producer().send(record, Timeout::After(QUEUED_WITHIN)).await {
            Ok(_) => Ok(()),
            Err((error, _)) => Err(error),
        }
    }

    /// Why this client can produce nothing any more, if that is so. There is no way back.
    pub(crate) fn fatal_error(&self) -> Option<String> {
        let (code, reason) = self.producer().client().fatal_error()?;
        Some(format!(
            "the client that produces copies cannot go on: {reason} ({code}); where it may not be idempotent, grant it \
             `IdempotentWrite` on the cluster"
        ))
    }

    fn producer(&self) -> &FutureProducer {
        self.0.as_ref().expect("only drop takes it")
    }
}

impl Drop for Publisher {
    /// A producer ends its own thread and waits for it: for a tenth of a second by the clock of the wall (librdkafka 2.12), which
    /// may be set back meanwhile. No thread of the runtime waits for that. Its copies are confirmed, as each was awaited.
    fn drop(&mut self) {
        let producer = self.0.take();
        let ending = std::thread::Builder::new().name("idempotent-kafka-end".to_owned());
        // Without another thread, this one waits: the producer goes with the closure.
        drop(ending.spawn(move || drop(producer)));
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
