//! What a completed record costs in memory, beside the same payload in a bare moka cache.
//!
//! `cargo bench -p idempotent-core --bench footprint` prints the bytes requested from the allocator
//! for each record, with 100,000 records of a 177-byte payload and no fingerprint.

use std::alloc::System;
use std::hint::black_box;
use std::sync::Arc;

use idempotent_core::Key;
use idempotent_core::backends::MemoryStore;
use idempotent_core::model::KeyParts;
use idempotent_core::model::{Envelope, Guarantee, RecordId};
use idempotent_core::store::{Complete, Reserve, Store};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const RECORDS: u64 = 100_000;
const PAYLOAD: [u8; 177] = [7; 177];
const TTL: std::time::Duration = std::time::Duration::from_secs(24 * 60 * 60);

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let bare = bare_moka();
    println!("bare moka, 177 bytes:      {bare:.0} bytes a record");
    for (what, guarantee, key) in [
        ("at least once, no key text", Guarantee::AtLeastOnce, false),
        ("at least once, key text", Guarantee::AtLeastOnce, true),
        ("at most once, key text", Guarantee::AtMostOnce, true),
    ] {
        let ours = memory_store(guarantee, key).await;
        println!("{what}: {ours:.0} bytes a record, {:.3} of bare moka", ours / bare);
    }
}

fn bare_moka() -> f64 {
    let region = Region::new(ALLOCATOR);
    let cache: Cache<[u8; 32], Arc<[u8]>> =
        Cache::builder().max_capacity(RECORDS * 2).eviction_policy(EvictionPolicy::lru()).build();
    for n in 0..RECORDS {
        cache.insert(*id(n).hash(), Arc::from(&PAYLOAD[..]));
    }
    cache.run_pending_tasks();
    let bytes = grown(&region);
    black_box(cache);
    bytes
}

async fn memory_store(guarantee: Guarantee, with_key: bool) -> f64 {
    let region = Region::new(ALLOCATOR);
    let store = MemoryStore::builder().capacity_bytes(1 << 30).build();
    for n in 0..RECORDS {
        let id = id(n);
        let mut key = KeyParts::default();
        ("order:", n).write(&mut key);
        let mut envelope = Envelope::new("shop::charge");
        envelope.guarantee = guarantee;
        envelope.key = with_key.then_some(&key);
        let request = Reserve::new(&id, envelope);
        store.reserve(&request).await.expect("there is room");
        let record = request.record().completed(&PAYLOAD);
        let complete = Complete::new(&id, request.record(), &record, TTL);
        store.complete(&complete).await.expect("it is in memory");
    }
    let bytes = grown(&region);
    black_box(store);
    bytes
}

fn id(n: u64) -> RecordId {
    RecordId::of("shop::charge", None, &("order:", n)).expect("a name and a key")
}

fn grown(region: &Region<'_, System>) -> f64 {
    let change = region.change();
    (change.bytes_allocated as f64 - change.bytes_deallocated as f64) / RECORDS as f64
}
