//! `idempotent-core`: a call of ten steps, and one without any.

use std::error::Error;

use async_trait::async_trait;
use idempotent_core::{Idempotency, Operation, step};

use crate::STEPS;
use crate::receipt::{Receipt, receipt};
use crate::side::Outcome;
use crate::turns::Checkout;

const CHECKOUT: Operation = Operation::new("shop::checkout");

pub(crate) struct Ours {
    name: &'static str,
    operation: Operation,
    engine: Idempotency,
}

impl Ours {
    pub(crate) fn new(engine: Idempotency) -> Self {
        Self { name: "idempotent-core", operation: CHECKOUT, engine }
    }

    /// The same on another store over the same records.
    pub(crate) fn named(name: &'static str, operation: &'static str, engine: Idempotency) -> Self {
        Self { name, operation: Operation::new(operation), engine }
    }
}

#[async_trait]
impl Checkout for Ours {
    fn name(&self) -> &'static str {
        self.name
    }

    async fn checkout(&self, key: &str) -> Outcome {
        let call = self.operation.key(key).engine(&self.engine);
        let call = call.returning::<Result<Receipt, idempotent_core::Error>>();
        let result = call.run(|| async {
            for name in STEPS {
                std::hint::black_box(
                    step(name, || async { Ok::<_, idempotent_core::Error>(receipt()) }).await?,
                );
            }
            Ok(receipt())
        });
        std::hint::black_box(result.await?);
        Ok(())
    }
}

/// The engine over a store in memory.
pub(crate) fn in_memory() -> Idempotency {
    Idempotency::new(idempotent_core::backends::MemoryStore::new())
}

pub(crate) type Failure = Box<dyn Error>;
