//! What the expansion adds is clean under every lint that people turn on.
#![deny(warnings, clippy::all, clippy::pedantic, clippy::nursery)]
#![deny(rust_2018_idioms, unused_qualifications, unreachable_pub, trivial_casts)]
#![deny(clippy::shadow_unrelated, clippy::implicit_return, clippy::unwrap_used)]
#![allow(clippy::needless_return, reason = "it is the opposite of `implicit_return`")]

use idempotent_core::{Disposition, Error, idempotent};

use crate::Runs;

const fn release(_: &Error) -> Disposition {
    return Disposition::Release;
}

#[idempotent(
    key = "order:{id:>8}:{name}",
    ttl = "24h",
    name = "pedantic.charge",
    scope = name,
    fingerprint = (id, name),
    lease = "1m",
    guarantee = at_most_once,
    on_error = release,
    version = 2,
    accept = 1..=2
)]
async fn charge(id: u32, name: &str, runs: &Runs) -> Result<u32, Error> {
    const ONE: u32 = 1;
    return Ok(runs.next() + id + ONE);
}

#[idempotent(key = id, wait = "1s")]
async fn with_default_name(id: u32, mut runs: Vec<u32>) -> Result<u32, Error> {
    runs.push(id);
    return runs.pop().map_or_else(|| return Ok(0), Ok);
}

struct Gate;

impl Gate {
    #[idempotent(key = id, name = "pedantic.method")]
    async fn charge(&self, id: String) -> Result<String, Error> {
        return Ok(id);
    }
}

#[tokio::test]
async fn pedantic_functions_run() {
    let all = async {
        let (left, right) =
            (charge(1, "a", &Runs::default()).await, with_default_name(2, vec![]).await);
        return (left.is_ok(), right.is_ok(), Gate.charge("a".to_owned()).await.is_ok());
    };
    assert_eq!(crate::alone(all).await, (true, true, true));
}
