//! A store that goes wrong, one test for each call and way: what the caller gets, how often the
//! body ran, and what the next caller gets.

mod complete;
mod crash;
mod release;
mod renew;
mod reserve;
mod wait;

use idempotent_core::backends::MemoryStore;
use idempotent_core::testing::{Fault, FaultyStore, StoreMethod, When};
use idempotent_core::{Guarantee, Idempotency, Operation};
use idempotent_tests::{Answer, secs};

/// The stricter guarantee, under which what is left behind shows.
const ONCE: Operation = Operation::new("charge").lease(secs(30)).guarantee(Guarantee::AtMostOnce);
const AT_LEAST_ONCE: Operation = ONCE.guarantee(Guarantee::AtLeastOnce);

/// How a call ended: its result, or the code of its refusal.
type End = Result<usize, &'static str>;

fn end(answer: Answer) -> End {
    answer.map_err(|error| error.code())
}

fn faulty(call: StoreMethod, when: When, fault: Fault) -> (Idempotency, FaultyStore<MemoryStore>) {
    let store = FaultyStore::new(MemoryStore::new()).on(call, when, fault);
    (Idempotency::new(store.clone()), store)
}
