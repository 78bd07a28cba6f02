//! Functions that a `macro_rules!` makes, its fragments in every option.

use idempotent_core::{Error, idempotent};

use crate::{Runs, alone};

macro_rules! operation {
    (
        $(#[$attribute:meta])*
        $name:ident($($argument:ident: $type:ty),*) -> $output:ty,
        key = $key:expr, ttl = $ttl:literal, scope = $scope:literal, name = $stable:expr,
        memoize = $memoize:path, guarantee = $guarantee:ident, version = $version:literal,
        $body:block
    ) => {
        $(#[$attribute])*
        #[idempotent(
            key = $key,
            ttl = $ttl,
            scope = $scope,
            name = $stable,
            memoize = $memoize,
            guarantee = $guarantee,
            version = $version
        )]
        async fn $name($($argument: $type),*) -> $output $body
    };
}

operation! {
    /// Charges.
    charge(id: u32, runs: &Runs) -> Result<u32, Error>,
    key = "order:{id}", ttl = "1h", scope = "{id}", name = "generated.charge",
    memoize = ok, guarantee = at_least_once, version = 3,
    { Ok(runs.next() + id) }
}

macro_rules! shadowing {
    ($name:ident, $id:ident) => {
        #[idempotent(key = ($id, call))]
        async fn $name($id: u32, call: u32, runs: &Runs) -> Result<u32, Error> {
            let output = $id + call;
            Ok(runs.next() + output)
        }
    };
}

shadowing!(refund, call_id);

#[tokio::test]
async fn functions_of_a_macro_replay() {
    let runs = Runs::default();
    alone(async {
        for _ in 0..2 {
            assert_eq!(charge(0, &runs).await.unwrap(), 1);
            assert_eq!(refund(0, 0, &runs).await.unwrap(), 2);
        }
        assert_eq!(refund(0, 1, &runs).await.unwrap(), 4);
    })
    .await;
}
