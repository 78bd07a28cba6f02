//! The list of all cases, and the macro that generates a test for each.

use std::future::Future;

use super::case::Case;
use super::subject::SourceSubject;
use super::{keeping, receiving, settling, stopping};

/// Generates a `#[test]` for each rule of the contract of sources, named after the rule.
///
/// The argument is an expression that returns a [`SourceSubject`](crate::testing::sources::SourceSubject). Each test
/// evaluates it once, inside a tokio runtime that it builds, so it may `.await`. Put the macro into a module of its
/// own to keep the tests together.
///
/// ```
/// # use std::time::Duration;
/// # use idempotent_core::consumer::Source;
/// # use idempotent_core::testing::sources::SourceSubject;
/// # struct Broker;
/// # impl Broker { async fn connect() -> Self { Broker } }
/// # #[idempotent_core::async_trait]
/// # impl SourceSubject for Broker {
/// #     async fn connect(&self) -> Box<dyn Source> { unreachable!() }
/// #     async fn publish(&self, _: Option<&str>, _: &[u8]) {}
/// #     async fn parked(&self) -> Vec<(String, Vec<u8>)> { Vec::new() }
/// #     fn deadline(&self) -> Duration { Duration::from_secs(1) }
/// # }
/// idempotent_core::testing::sources::source_contract_tests! {
///     Broker::connect().await
/// }
/// ```
#[macro_export]
macro_rules! source_contract_tests {
    ($subject:expr $(,)?) => {
        $crate::__source_cases! { [$crate::__source_contract_test] { $subject } }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __source_contract_test {
    ({ $subject:expr } $($module:ident { $($name:ident)* })*) => {
        $($($crate::__source_contract_test! { @one $subject, $name })*)*
    };
    (@one $subject:expr, $name:ident) => {
        #[test]
        fn $name() {
            $crate::testing::sources::__run(stringify!($name), async { $subject });
        }
    };
}

/// All cases of the contract of sources.
///
/// ```
/// use idempotent_core::testing::sources;
///
/// let names: Vec<&str> = sources::cases().iter().map(|case| case.name()).collect();
/// assert!(names.contains(&"a_completed_message_is_not_delivered_again"));
/// ```
#[must_use]
pub fn cases() -> Vec<Case> {
    crate::__source_cases! { [vec_of_cases] {} }
}

macro_rules! vec_of_cases {
    ({} $($module:ident { $($name:ident)* })*) => {
        vec![$($(
            Case::new(stringify!($name), |fixture| Box::pin($module::$name(fixture))),
        )*)*]
    };
}
use vec_of_cases;

/// The body of a test that [`source_contract_tests!`](crate::source_contract_tests) generates.
#[doc(hidden)]
pub fn __run<S: SourceSubject>(name: &str, subject: impl Future<Output = S>) {
    let case = cases()
        .into_iter()
        .find(|case| case.name() == name)
        .unwrap_or_else(|| panic!("the contract has no case `{name}`"));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("the runtime starts")
        .block_on(async { case.run(subject.await).await });
}

/// Passes the names of all cases to another macro. This is the only place that lists them.
#[doc(hidden)]
#[macro_export]
macro_rules! __source_cases {
    ([$($callback:tt)*] $arguments:tt) => {
        $($callback)*! { $arguments
            receiving {
                a_message_arrives_as_it_was_published
                a_message_has_the_id_that_it_was_published_under
                an_id_is_the_same_in_every_delivery
                messages_without_an_id_have_ids_of_their_own
                positions_tell_messages_apart
                deliveries_are_counted_if_at_all_from_one
                no_more_is_received_than_there_is_room_for
                a_dropped_wait_loses_nothing
                the_terms_tell_the_deadline
            }
            settling {
                a_completed_message_is_not_delivered_again
                a_verdict_may_be_repeated
                a_retry_comes_after_its_pause
                a_busy_message_comes_after_its_pause
                a_message_that_is_given_back_is_delivered_at_once
                a_parked_message_is_kept_under_its_id
                a_parked_message_is_not_delivered_again
                every_copy_of_a_parked_message_has_its_id
            }
            keeping {
                a_message_that_nobody_settles_is_delivered_again
                a_message_that_is_left_is_delivered_again
                a_message_that_is_kept_alive_is_not_delivered_again
                keeping_alive_after_a_verdict_does_not_undo_it
            }
            stopping {
                a_stopped_source_gives_back_what_it_has
                what_is_in_hand_can_be_settled_after_its_source_has_stopped
            }
        }
    };
}
