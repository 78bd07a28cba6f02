//! What is compared in memory: a call on the embedded store, and the least that it could be.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use idempotent_core::{Error, Idempotency, Operation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};

pub(crate) type Key = [u8; 32];

pub(crate) const CHARGE: Operation = Operation::new("shop::charge");
/// What one full-sized record weighs in the store, so that it holds as many as the limit's cache.
pub(crate) const RECORD_BYTES: u64 = 540;

#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Receipt {
    id: String,
    order: u64,
    card: String,
    amount: u64,
    currency: String,
    status: String,
    created: u64,
    note: String,
}

pub(crate) fn receipt() -> Receipt {
    Receipt {
        id: "rcpt_8f14e45fceea167a".to_owned(),
        order: 4_242_424_242,
        card: "card_1J2k3L4m5N6o7P8q".to_owned(),
        amount: 12_345,
        currency: "EUR".to_owned(),
        status: "captured".to_owned(),
        created: 1_790_000_000_000,
        note: "three books".to_owned(),
    }
}

pub(crate) fn key(n: u64) -> Key {
    let hash = blake3::hash(&n.to_le_bytes()).to_hex();
    let mut key = [0; 32];
    key.copy_from_slice(&hash.as_bytes()[..32]);
    key
}

/// The least that a memoizer in this process does.
pub(crate) struct Limit {
    records: Cache<Key, Arc<[u8]>>,
    claims: Mutex<HashMap<Key, u64>>,
}

impl Limit {
    pub(crate) fn new(records: u64) -> Self {
        Self { records: Cache::new(records), claims: Mutex::default() }
    }

    pub(crate) fn replay(&self, key: &Key) -> Option<Receipt> {
        let bytes = self.records.get(key)?;
        let mut decoder = rmp_serde::Deserializer::from_read_ref(&*bytes).with_human_readable();
        Receipt::deserialize(&mut decoder).ok()
    }

    pub(crate) fn execute(&self, key: &Key) {
        if self.records.get(key).is_some() {
            return;
        }
        self.claims.lock().expect("not poisoned").insert(*key, 1);
        let mut bytes = Vec::with_capacity(256);
        let mut encoder =
            rmp_serde::Serializer::new(&mut bytes).with_struct_map().with_human_readable();
        receipt().serialize(&mut encoder).expect("it is encodable");
        self.records.insert(*key, bytes.into());
        self.claims.lock().expect("not poisoned").remove(key);
    }
}

pub(crate) async fn call(engine: &Idempotency, key: &Key) -> Receipt {
    let key = std::str::from_utf8(key).expect("hexadecimal digits");
    let call = CHARGE.key(key).engine(engine).returning::<Result<Receipt, Error>>();
    call.run(|| async { Ok(receipt()) }).await.expect("it runs or is replayed")
}
