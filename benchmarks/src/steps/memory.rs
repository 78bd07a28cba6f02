//! In memory: beside an execution whose body encodes ten results and puts them into a locked map.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use idempotent_core::{Idempotency, Operation};

use crate::STEPS;
use crate::by_hand::encoded;
use crate::ours::{Failure, Ours, in_memory};
use crate::receipt::{Receipt, receipt};
use crate::side::Outcome;
use crate::turns::{Checkout, Plan, compare};

const CHECKOUT: Operation = Operation::new("shop::by_hand");

type Journals = Mutex<HashMap<String, HashMap<&'static str, Vec<u8>>>>;

struct ByHand {
    engine: Idempotency,
    journals: Journals,
}

#[async_trait]
impl Checkout for ByHand {
    fn name(&self) -> &'static str {
        "an execution and ten inserts"
    }

    async fn checkout(&self, key: &str) -> Outcome {
        let call = CHECKOUT.key(key).engine(&self.engine);
        let call = call.returning::<Result<Receipt, idempotent_core::Error>>();
        let result = call.run(|| async {
            for name in STEPS {
                let result = encoded(&receipt()).expect("it is encodable");
                let mut journals = self.journals.lock().expect("not poisoned");
                journals.entry(key.to_owned()).or_default().insert(name, result);
            }
            Ok(receipt())
        });
        std::hint::black_box(result.await?);
        self.journals.lock().expect("not poisoned").remove(key);
        Ok(())
    }
}

/// A call without steps, to know what the steps add.
struct Plain(Idempotency);

#[async_trait]
impl Checkout for Plain {
    fn name(&self) -> &'static str {
        "… without steps"
    }

    async fn checkout(&self, key: &str) -> Outcome {
        let call = CHECKOUT.key(key).engine(&self.0);
        let call = call.returning::<Result<Receipt, idempotent_core::Error>>();
        std::hint::black_box(call.run(|| async { Ok(receipt()) }).await?);
        Ok(())
    }
}

pub(crate) fn measure(tasks: u64) -> Result<(), Failure> {
    println!("\nMemory");
    let sides: [Arc<dyn Checkout>; 3] = [
        Arc::new(ByHand { engine: in_memory(), journals: Journals::default() }),
        Arc::new(Ours::new(in_memory())),
        Arc::new(Plain(in_memory())),
    ];
    crate::runtime(tasks)?.block_on(compare(&sides, Plan { tasks, calls: 8_192, rounds: 25 }));
    Ok(())
}
