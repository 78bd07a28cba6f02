//! Deeply nested results: refused, and never at the expense of the stack.

use std::collections::BTreeMap;

use idempotent_core::backends::MemoryStore;
use idempotent_core::model::{Envelope, RecordId};
use idempotent_core::store::{Complete, Reserve, ReserveOutcome, Store as _};
use idempotent_core::testing::survives;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_tests::{engine, secs};
use serde::{Deserialize, Serialize};

/// A list in which each item holds the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Nested {
    next: Option<Box<Nested>>,
}

impl Nested {
    fn of(levels: usize) -> Self {
        (1..levels).fold(Self { next: None }, |next, _| Self { next: Some(Box::new(next)) })
    }

    fn levels(&self) -> usize {
        std::iter::successors(Some(self), |nested| nested.next.as_deref()).count()
    }
}

/// Not recursive, so that the test itself needs no stack.
impl Drop for Nested {
    fn drop(&mut self) {
        let mut next = self.next.take();
        while let Some(mut nested) = next {
            next = nested.next.take();
        }
    }
}

impl PartialEq for Nested {
    fn eq(&self, other: &Self) -> bool {
        self.levels() == other.levels()
    }
}

async fn call(value: Nested) -> Result<Nested, Error> {
    let engine = engine();
    let call =
        || Operation::new("nest").key("k").engine(&engine).returning::<Result<Nested, Error>>();
    call().run(|| async { Ok(value) }).await?;
    call().run(|| async { unreachable!("it ran again") }).await
}

/// A type whose every level is buffered by serde while it is read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Heavy {
    Leaf { value: serde_json::Value },
    Node(Box<HeavyNode>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct HeavyNode {
    id: u64,
    text: Option<String>,
    map: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: Inner,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    next: Heavy,
}

impl Heavy {
    fn of(levels: usize) -> Self {
        (1..levels).fold(Self::Leaf { value: serde_json::Value::Null }, |next, id| {
            let (id, text, rest) = (id as u64, Some("x".to_owned()), Inner { next });
            Self::Node(Box::new(HeavyNode { id, text, map: BTreeMap::new(), rest }))
        })
    }
}

/// The levels of a result that are encoded and decoded.
const DEPTH: usize = 100;

#[tokio::test]
async fn the_deepest_value_that_is_encoded_is_one_that_is_read_back() {
    assert_eq!(call(Nested::of(DEPTH)).await.unwrap().levels(), DEPTH);
    let (mut below, mut above) = (1, 2000);
    while above - below > 1 {
        let middle = usize::midpoint(below, above);
        match survives(&Nested::of(middle)) {
            Ok(()) => below = middle,
            Err(mismatch) => {
                assert!(mismatch.to_string().contains("cannot be encoded"), "{mismatch}");
                above = middle;
            }
        }
    }
    assert_eq!(below, DEPTH);
}

#[test]
fn a_type_that_takes_much_of_the_stack_is_read_back_at_every_depth() {
    for levels in [1, 2, 3, 10, DEPTH - 1] {
        survives(&Heavy::of(levels)).unwrap();
    }
}

#[tokio::test]
async fn more_levels_than_are_read_back_are_refused_at_the_first_call() {
    for levels in [DEPTH + 1, 1025, 5000, 200_000] {
        let refused = call(Nested::of(levels)).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotReplayable, "{levels}: {refused}");
        assert!(refused.to_string().contains("nested too deeply"), "{refused}");
    }
}

#[tokio::test]
async fn a_deeply_nested_payload_is_refused() {
    let engine = engine();
    let call = Operation::new("nest").key("k").engine(&engine).fingerprint(&Nested::of(200_000));
    let refused = call.returning::<Result<u8, Error>>().run(|| async { Ok(1) }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Encode);
}

/// Bytes of a store may be nested as deeply as somebody likes.
#[tokio::test]
async fn stored_bytes_that_are_nested_more_deeply_are_an_error_and_run_nothing() {
    let store = MemoryStore::new();
    for levels in [DEPTH, DEPTH + 1, 500_000] {
        let id = RecordId::of("nest", None, &levels.to_string()).unwrap();
        let request = Reserve::new(&id, Envelope::new("nest"));
        assert!(matches!(store.reserve(&request).await.unwrap(), ReserveOutcome::Won));
        // A result that is an `Ok`: arrays of one element each, and `nil` within.
        let payload = [&[0][..], &vec![0x91; levels], &[0xc0]].concat();
        let record = request.record().completed(&payload);
        let complete = Complete::new(&id, request.record(), &record, secs(60));
        store.complete(&complete).await.unwrap();

        let engine = Idempotency::new(store.clone());
        let call = Operation::new("nest").key(&levels.to_string()).engine(&engine);
        let call = call.returning::<Result<serde_json::Value, Error>>();
        let answer = call.run(|| async { unreachable!("it ran") }).await;
        if levels == DEPTH {
            assert!(answer.unwrap().is_array());
        } else {
            let refused = answer.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Decode, "{levels}: {refused}");
            assert!(refused.to_string().contains("nested too deeply"), "{refused}");
        }
    }
}
