//! What the calls of every side give back.

use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Serialize, Deserialize)]
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

/// The 32 characters of key `n`. Keys are in no order, as those that clients make are: in an index
/// two that follow each other are far apart.
pub(crate) fn key(n: u64) -> String {
    // Odd, so that no two are the same.
    const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
    format!("order-{:026}", n.wrapping_mul(STEP))
}
