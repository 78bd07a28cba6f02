//! Assertions about what became of calls: [`assert_executed_once!`](crate::testing::assert_executed_once) and
//! [`assert_replayed!`](crate::testing::assert_replayed).

use super::faulty_store::FaultyStore;
use super::observed_store::{ObservedStore, OperationCounts};
#[cfg(feature = "moka")]
use super::test_engine::TestEngine;
use crate::Store;

/// Asserts that exactly one call of an operation reserved its key, so that its body ran once.
///
/// The first argument is a [`TestEngine`](crate::testing::TestEngine), an
/// [`ObservedStore`](crate::testing::ObservedStore) or a [`FaultyStore`](crate::testing::FaultyStore) around one.
/// It counts since that was made, all keys together.
///
/// ```
/// use idempotent_core::testing::{self, assert_executed_once};
/// use idempotent_core::{Error, idempotent};
///
/// #[idempotent(key = order, name = "charge", wait = "5s")]
/// async fn charge(order: u32) -> Result<u32, Error> {
///     tokio::task::yield_now().await;
///     Ok(order)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let test = testing::engine();
/// let (one, other) = test.run(async { tokio::join!(charge(7), charge(7)) }).await; // a double click
/// assert_eq!(one.unwrap(), other.unwrap());
/// assert_executed_once!(test, "charge");
/// # }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __assert_executed_once {
    ($calls:expr, $operation:expr $(,)?) => {
        $crate::testing::__assert_executed_once(&$calls, $operation)
    };
}

/// Asserts that a response is a replay, or that calls of an operation were answered by one.
///
/// With one argument that is a response of HTTP, of the client or of gRPC, which is marked as a replay. A layer whose
/// [`replayed_header`](crate::http::IdempotencyLayer::replayed_header) has a name of its own marks it otherwise.
/// With two it is what [`assert_executed_once!`](crate::testing::assert_executed_once) takes, and one body ran and
/// at least one other call had its result.
///
/// ```
/// use idempotent_core::testing::{self, assert_replayed};
/// use idempotent_core::{Error, idempotent};
///
/// #[idempotent(key = order, name = "charge")]
/// async fn charge(order: u32) -> Result<u32, Error> {
///     Ok(order)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Error> {
/// let test = testing::engine();
/// test.run(async {
///     charge(7).await?;
///     charge(7).await
/// })
/// .await?;
/// assert_replayed!(test, "charge");
/// # #[cfg(feature = "http")] {
/// # let (client, request) = ((), ());
/// # async fn send(_: ((), ())) -> http::Response<()> {
/// #     http::Response::builder().header("idempotency-replayed", "true").body(()).unwrap()
/// # }
/// let response = send((client, request)).await;
/// assert_replayed!(response);
/// # }
/// # Ok(()) }
/// ```
#[macro_export]
#[doc(hidden)]
macro_rules! __assert_replayed {
    ($response:expr $(,)?) => {
        $crate::testing::__assert_replayed(&$response)
    };
    ($calls:expr, $operation:expr $(,)?) => {
        $crate::testing::__assert_operation_replayed(&$calls, $operation)
    };
}

/// What counts calls.
#[doc(hidden)]
pub trait CountsCalls {
    fn counts_of(&self, operation: &str) -> OperationCounts;
}

impl<S: Store> CountsCalls for ObservedStore<S> {
    fn counts_of(&self, operation: &str) -> OperationCounts {
        self.counts(operation)
    }
}

impl<S: CountsCalls + Store> CountsCalls for FaultyStore<S> {
    fn counts_of(&self, operation: &str) -> OperationCounts {
        self.inner().counts_of(operation)
    }
}

#[cfg(feature = "moka")]
impl CountsCalls for TestEngine {
    fn counts_of(&self, operation: &str) -> OperationCounts {
        self.counts(operation)
    }
}

impl<C: CountsCalls> CountsCalls for &C {
    fn counts_of(&self, operation: &str) -> OperationCounts {
        (**self).counts_of(operation)
    }
}

/// A response that says whether it is a replay.
#[doc(hidden)]
pub trait MarksReplays {
    /// The value of the header with this name.
    fn header(&self, name: &str) -> Option<&[u8]>;

    fn status(&self) -> String;
}

#[cfg(any(feature = "http", feature = "reqwest"))]
impl<B> MarksReplays for http::Response<B> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().get(name).map(http::HeaderValue::as_bytes)
    }

    fn status(&self) -> String {
        http::Response::status(self).to_string()
    }
}

#[cfg(feature = "reqwest")]
impl MarksReplays for reqwest::Response {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.headers().get(name).map(http::HeaderValue::as_bytes)
    }

    fn status(&self) -> String {
        reqwest::Response::status(self).to_string()
    }
}

#[cfg(feature = "tonic")]
impl<M> MarksReplays for tonic::Response<M> {
    fn header(&self, name: &str) -> Option<&[u8]> {
        self.metadata().get(name).map(tonic::metadata::MetadataValue::as_encoded_bytes)
    }

    fn status(&self) -> String {
        "OK".to_owned()
    }
}

impl<R: MarksReplays> MarksReplays for &R {
    fn header(&self, name: &str) -> Option<&[u8]> {
        (**self).header(name)
    }

    fn status(&self) -> String {
        (**self).status()
    }
}

/// The headers that mark replays: the layer's own, and that of its preset for Stripe's clients.
const REPLAYED: [&str; 2] = ["idempotency-replayed", "idempotent-replayed"];

#[doc(hidden)]
#[track_caller]
pub fn __assert_executed_once(calls: &impl CountsCalls, operation: &str) {
    let counts = calls.counts_of(operation);
    assert!(
        counts.executions == 1,
        "`{operation}` was executed {} times instead of once{}",
        counts.executions,
        details(&counts),
    );
}

#[doc(hidden)]
#[track_caller]
pub fn __assert_operation_replayed(calls: &impl CountsCalls, operation: &str) {
    let counts = calls.counts_of(operation);
    assert!(
        counts.executions == 1 && counts.replays > 0,
        "`{operation}` was executed {} times and replayed {} times, instead of once and at least once{}",
        counts.executions,
        counts.replays,
        details(&counts),
    );
}

#[doc(hidden)]
#[track_caller]
pub fn __assert_replayed(response: &impl MarksReplays) {
    let value = REPLAYED.iter().find_map(|name| response.header(name));
    assert!(
        value == Some(b"true"),
        "the response is not a replay: neither `{}: true` is among its headers; its status is {}",
        REPLAYED.join(": true` nor `"),
        response.status(),
    );
}

fn details(counts: &OperationCounts) -> String {
    if *counts == OperationCounts::default() {
        return "; no call of it was seen: does the name match, and had its caller this engine? \
                `tokio::spawn` does not hand it on: spawn `test.run(…)`"
            .into();
    }
    format!("; {counts:?}")
}
