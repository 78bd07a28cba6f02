//! The contract of sources, on the broker in memory.

use std::time::Duration;

use idempotent_core::consumer::Source;
use idempotent_core::testing::sources::{SourceSubject, TestBroker};
use idempotent_tests::millis;

const DEADLINE: Duration = millis(700);

/// The broker in memory, under test.
pub(crate) struct InMemory(pub(crate) TestBroker);

impl InMemory {
    pub(crate) fn new() -> Self {
        Self(TestBroker::with_deadline(DEADLINE))
    }
}

#[async_trait::async_trait]
impl SourceSubject for InMemory {
    async fn connect(&self) -> Box<dyn Source> {
        Box::new(self.0.source())
    }

    async fn publish(&self, id: Option<&str>, payload: &[u8]) {
        match id {
            Some(id) => self.0.publish(id, payload.to_vec()),
            None => self.0.publish_without_id(payload.to_vec()),
        }
    }

    async fn parked(&self) -> Vec<(String, Vec<u8>)> {
        let parked = self.0.parked().into_iter().map(|parked| parked.message);
        parked.map(|it| (it.id().to_owned(), it.payload().to_vec())).collect()
    }

    fn deadline(&self) -> Duration {
        DEADLINE
    }
}

mod in_memory {
    idempotent_core::testing::sources::source_contract_tests! { super::InMemory::new() }
}
