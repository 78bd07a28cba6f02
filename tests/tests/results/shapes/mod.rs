//! Shapes of result types, and what becomes of a value of each: it is replayed as it is, or its first
//! call is refused.

mod attributes;
mod containers;
mod enums;
mod numbers;
mod options;
mod others;

use std::fmt::Debug;

use futures_util::future::LocalBoxFuture;
use idempotent_core::backends::MemoryStore;
use idempotent_core::call::{Memoizable, ReplayMismatch};
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_tests::Runs;

/// A shape, and what became of it.
pub(crate) struct Shape {
    pub(crate) group: &'static str,
    pub(crate) name: &'static str,
    /// `None` if it is replayed as it is.
    pub(crate) refused: Option<ReplayMismatch>,
}

type Tried = LocalBoxFuture<'static, Shape>;

/// Tries every shape.
pub(crate) async fn all() -> Vec<Shape> {
    let groups = [
        numbers::shapes(),
        containers::shapes(),
        options::shapes(),
        enums::shapes(),
        attributes::shapes(),
        others::shapes(),
    ];
    futures_util::future::join_all(groups.into_iter().flatten()).await
}

/// A call with this value, and then a duplicate.
fn shape<T>(group: &'static str, name: &'static str, value: T) -> Tried
where
    T: Memoizable + PartialEq + Debug + Clone + 'static,
{
    Box::pin(async move {
        let engine = Idempotency::builder(MemoryStore::new()).verify_results(true).build();
        let runs = Runs::new();
        let call = || {
            let call = Operation::new("shape").key("k").engine(&engine);
            let call = call.returning::<Result<T, Error>>().compare_results();
            call.run(|| async {
                runs.note();
                Ok(value.clone())
            })
        };
        let (first, second) = (call().await, call().await);
        assert_eq!(runs.count(), 1, "{name} ran twice");
        let refused = match first {
            Ok(first) => {
                assert_eq!(first, value, "{name}");
                assert_eq!(second.unwrap(), value, "{name} was replayed as another value");
                None
            }
            Err(refused) => {
                assert_eq!(refused.kind(), ErrorKind::NotReplayable, "{name}: {refused}");
                assert_eq!(second.unwrap_err().kind(), ErrorKind::ResultNotKept, "{name}");
                let source = std::error::Error::source(&refused).unwrap();
                Some(source.downcast_ref::<ReplayMismatch>().unwrap().clone())
            }
        };
        Shape { group, name, refused }
    })
}

#[tokio::test]
async fn sixty_shapes_are_replayed_as_they_are_or_refused_at_the_first_call() {
    let shapes = all().await;
    assert!(shapes.len() >= 60, "only {}", shapes.len());
    let refused = shapes.iter().filter(|shape| shape.refused.is_some()).count();
    assert!(refused >= 15, "only {refused} are refused");
}

#[tokio::test]
async fn no_two_shapes_have_one_name() {
    let mut names: Vec<_> = all().await.iter().map(|shape| shape.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}
