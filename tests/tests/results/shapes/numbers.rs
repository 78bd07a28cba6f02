//! Numbers.

use std::num::{NonZeroU32, Saturating, Wrapping};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Tried, shape};

const GROUP: &str = "Numbers";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Tagged<N> {
    Amount { cents: N },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged<N> {
    Amount(N),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Flat<N> {
    #[serde(flatten)]
    amount: Amount<N>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Amount<N> {
    cents: N,
}

#[derive(Debug, Serialize, Deserialize)]
struct Counter(AtomicU32);

impl Clone for Counter {
    fn clone(&self) -> Self {
        Self(self.0.load(Ordering::Relaxed).into())
    }
}

impl PartialEq for Counter {
    fn eq(&self, other: &Self) -> bool {
        self.0.load(Ordering::Relaxed) == other.0.load(Ordering::Relaxed)
    }
}

pub(super) fn shapes() -> Vec<Tried> {
    vec![
        shape(GROUP, "integers of 8 to 64 bits", (i8::MIN, u16::MAX, i32::MIN, i64::MIN, u64::MAX)),
        shape(GROUP, "`u128`, `i128`", (u128::MAX, i128::MIN)),
        shape(
            GROUP,
            "`NonZero`, `Wrapping`, `Saturating`",
            (NonZeroU32::MAX, Wrapping(-1), Saturating(7_u8)),
        ),
        shape(GROUP, "atomics", Counter(AtomicU32::new(7))),
        shape(GROUP, "`f32`, `f64`", (0.1_f32, 0.1_f64, f64::MIN_POSITIVE)),
        shape(GROUP, "infinities", (f64::INFINITY, f32::NEG_INFINITY)),
        shape(GROUP, "`serde_json::Number`", serde_json::Number::from(u64::MAX)),
        shape(
            GROUP,
            "numbers in a `serde_json::Value`",
            json!([19.9, -1, u64::MAX, i64::MIN, 1e300]),
        ),
        shape(GROUP, "64 bits in an internally tagged enum", Tagged::Amount { cents: u64::MAX }),
        shape(GROUP, "128 bits in an internally tagged enum", Tagged::Amount { cents: u128::MAX }),
        shape(GROUP, "64 bits in an untagged enum", Untagged::Amount(i64::MIN)),
        shape(GROUP, "128 bits in an untagged enum", Untagged::Amount(i128::MIN)),
        shape(GROUP, "64 bits in a flattened struct", Flat { amount: Amount { cents: u64::MAX } }),
        shape(
            GROUP,
            "128 bits in a flattened struct",
            Flat { amount: Amount { cents: u128::MAX } },
        ),
    ]
}
