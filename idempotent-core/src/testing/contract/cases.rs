//! The list of all cases, and the macro that generates a test for each.

use std::future::Future;

use super::case::Case;
use super::subject::Subject;
use super::{
    abandon, cancellation, complete, correct, due, fencing, journal, lapse, release, renew,
    reserve, scan, scopes, steps_in_doubt, wait,
};

/// Generates a `#[test]` for each rule of the store contract, named after the rule.
///
/// The argument is an expression that returns a [`Subject`](crate::testing::contract::Subject). Each
/// test evaluates it once, inside a tokio runtime that it builds, so it may `.await`. Attributes before
/// it are added to every test. Put the macro into a module of its own to keep the tests together.
///
/// ```
/// # use std::sync::Arc;
/// # use std::time::Duration;
/// # use idempotent_core::Store;
/// # use idempotent_core::testing::contract::Subject;
/// # struct Server;
/// # impl Server { async fn connect() -> Self { Server } }
/// # #[idempotent_core::async_trait]
/// # impl Subject for Server {
/// #     fn store(&self) -> Arc<dyn Store> { unreachable!() }
/// #     async fn advance(&self, by: Duration) { tokio::time::sleep(by).await }
/// # }
/// idempotent_core::testing::contract_tests! {
///     #[ignore = "needs a server"]
///     Server::connect().await
/// }
/// ```
#[macro_export]
macro_rules! contract_tests {
    (@with [$($attributes:tt)*] #[$attribute:meta] $($rest:tt)+) => {
        $crate::contract_tests! { @with [$($attributes)* #[$attribute]] $($rest)+ }
    };
    (@with $attributes:tt $subject:expr $(,)?) => {
        $crate::__contract_cases! { [$crate::__contract_test] { $attributes $subject } }
    };
    ($($attributes_and_subject:tt)+) => {
        $crate::contract_tests! { @with [] $($attributes_and_subject)+ }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __contract_test {
    ({ $attributes:tt $subject:expr } $($module:ident { $($name:ident)* })*) => {
        $($($crate::__contract_test! { @one $attributes $subject, $name })*)*
    };
    (@one [$($attributes:tt)*] $subject:expr, $name:ident) => {
        #[test]
        $($attributes)*
        fn $name() {
            $crate::testing::contract::__run(stringify!($name), async { $subject });
        }
    };
}

/// All cases of the contract.
///
/// ```
/// use idempotent_core::testing::contract;
///
/// let names: Vec<&str> = contract::cases().iter().map(|case| case.name()).collect();
/// assert!(names.contains(&"of_many_concurrent_reserves_exactly_one_wins"));
/// ```
#[must_use]
pub fn cases() -> Vec<Case> {
    crate::__contract_cases! { [vec_of_cases] {} }
}

macro_rules! vec_of_cases {
    ({} $($module:ident { $($name:ident)* })*) => {
        vec![$($(
            Case::new(stringify!($name), |fixture| Box::pin($module::$name(fixture))),
        )*)*]
    };
}
use vec_of_cases;

/// The body of a test that [`contract_tests!`](crate::contract_tests) generates.
#[doc(hidden)]
#[allow(clippy::missing_panics_doc)]
pub fn __run<S: Subject>(name: &str, subject: impl Future<Output = S>) {
    let case = cases()
        .into_iter()
        .find(|case| case.name() == name)
        .unwrap_or_else(|| panic!("the contract has no case `{name}`"));
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_all()
        .build()
        .expect("the runtime starts")
        .block_on(async { case.run(subject.await).await });
}

/// Passes the names of all cases to another macro. This is the only place that lists them.
#[doc(hidden)]
#[macro_export]
macro_rules! __contract_cases {
    ([$($callback:tt)*] $arguments:tt) => {
        $($callback)*! { $arguments
            reserve {
                of_many_concurrent_reserves_exactly_one_wins
                the_winners_record_stands_under_the_id
                a_taken_id_tells_its_record_and_its_remaining_lease
                a_repeated_reserve_has_won_without_extending_its_lease
                a_repeated_reserve_after_its_lapse_wins_a_whole_lease
                a_repeated_reserve_after_its_completion_finds_it_completed
                a_late_reserve_does_not_touch_a_successor
                a_reserve_that_arrives_after_its_release_lapses_with_its_lease
                every_field_of_a_reservation_survives
                another_handle_sees_the_same_records
                records_of_different_ids_do_not_touch_each_other
                any_operation_name_is_only_a_name
                a_full_store_refuses_new_reservations_and_keeps_the_old_ones
            }
            renew {
                a_renewal_starts_the_lease_anew
                a_renewed_lease_still_lapses
                a_renewal_gives_the_lease_it_names
                repeated_renewals_do_not_add_up
                a_renewal_of_another_token_is_lost_and_changes_nothing
                a_renewal_of_a_vacant_id_is_lost_and_leaves_it_vacant
                a_renewal_after_the_lapse_is_lost_and_revives_nothing
            }
            complete {
                a_completed_record_replays_byte_for_byte
                falsy_results_are_results
                a_result_of_one_mebibyte_survives
                a_tombstone_stands_like_any_result
                a_completed_record_keeps_its_token_and_tells_its_ttl
                a_completed_record_outlives_the_lease_and_ends_with_its_ttl
                a_ttl_shorter_than_the_lease_ends_first
                leases_and_ttls_beyond_every_calendar_do_no_harm
                a_ttl_below_the_clocks_grain_ends_at_once
                a_repeated_complete_is_recorded_and_changes_nothing
                a_complete_of_another_token_does_not_touch_a_completed_record
                a_complete_of_another_token_does_not_touch_a_reservation
                a_late_renew_does_not_touch_a_completed_record
                a_late_release_does_not_touch_a_completed_record
                a_result_is_recorded_where_nothing_stands
                a_result_is_recorded_after_a_lapse_that_nobody_took
                a_vacant_id_refuses_a_result_that_asks_for_its_record
                a_lapsed_id_refuses_anothers_result_that_asks_for_its_record
                a_result_that_asks_for_its_record_is_recorded_on_it
                of_many_concurrent_results_for_a_vacant_id_one_is_recorded
                a_late_result_and_the_next_reserve_do_not_both_win
            }
            release {
                a_release_frees_the_id_at_once
                a_repeated_release_does_not_touch_a_successor
                a_release_of_another_token_does_nothing
                a_release_of_a_vacant_id_does_nothing
                a_renewal_at_the_moment_of_a_release_revives_nothing
                a_purge_of_a_vacant_id_finds_nothing
                a_purge_removes_a_reservation_and_fences_its_owner
                a_purge_removes_a_completed_record
                a_purge_removes_an_indeterminate_record
                a_purge_removes_a_lapsed_reservation
            }
            correct {
                a_correction_replaces_the_record_that_was_seen
                a_repeated_correction_has_corrected
                a_correction_of_another_record_changes_nothing
                a_reservation_is_not_corrected
                a_vacant_id_is_not_corrected
            }
            lapse {
                a_reservation_holds_until_its_lease_ends
                a_lapsed_at_least_once_reservation_is_vacant
                of_many_concurrent_reserves_of_a_lapsed_id_exactly_one_wins
                a_lapsed_at_least_once_reservation_looks_as_the_subject_declares
                a_lapsed_at_most_once_reservation_is_indeterminate_for_everyone
                the_reservations_own_guarantee_governs_its_lapse
                an_indeterminate_record_tells_its_remaining_retention
                an_indeterminate_record_stays_for_its_retention_and_no_longer
                a_renewed_reservation_keeps_its_whole_retention
                the_late_owner_of_an_indeterminate_record_completes_it
                another_owner_does_not_complete_an_indeterminate_record
                an_indeterminate_record_is_not_renewed
                an_indeterminate_record_is_released_only_when_that_is_asked_for
                an_indeterminate_record_is_released_only_by_its_own_token
            }
            abandon {
                an_abandoned_at_most_once_reservation_is_indeterminate_at_once
                an_abandoned_record_stays_for_its_retention_and_no_longer
                an_abandoned_at_least_once_reservation_is_vacant_at_once
                an_abandoned_record_may_have_a_stricter_guarantee
                a_held_reservation_says_so_and_keeps_its_lease
                a_reservation_is_not_abandoned_by_another_token
                a_fenced_owner_does_not_abandon_its_successors_reservation
                a_completed_record_is_not_abandoned
                a_vacant_id_is_not_abandoned
                an_abandoned_record_is_completed_by_its_late_owner
                an_abandoned_record_is_released_only_when_that_is_asked_for
            }
            fencing {
                a_fenced_owner_does_not_renew_its_successors_lease
                a_fenced_owner_does_not_complete_its_successors_reservation
                a_fenced_owner_does_not_overwrite_its_successors_result
                a_fenced_owner_does_not_release_its_successors_reservation
                a_fenced_owner_does_not_resolve_its_successors_doubt
            }
            wait {
                a_wait_ends_when_the_call_completes
                a_wait_ends_when_the_call_is_released
                a_wait_ends_when_the_call_is_abandoned_or_held
                a_wait_ends_when_the_id_is_purged
                a_wait_ends_when_the_lease_lapses
                a_wait_ends_when_a_renewed_call_completes
                every_waiter_wakes
                a_wait_ends_at_once_where_nothing_is_reserved
                a_wait_ends_at_once_where_another_token_stands
                a_wait_ends_with_its_timeout_and_touches_nothing
                a_wait_without_end_is_a_wait
            }
            scan {
                looking_changes_nothing
                only_completed_records_are_answered_locally
                a_scan_tells_each_record_as_load_does
                a_scan_of_the_unfinished_sees_what_runs_and_what_was_lost
                a_scan_filters_by_state
                a_scan_filters_by_the_whole_name_of_an_operation
                a_scan_without_filters_sees_every_operation
                pages_lead_to_the_end_without_losing_a_record
                a_scan_misses_nothing_when_what_it_has_shown_goes_away
                a_scan_tells_what_it_cannot_read_and_a_purge_removes_it
            }
            scopes {
                a_scope_has_its_own_records_and_no_others
                a_result_counts_for_its_scope_until_its_ttl_ends
                a_scopes_bytes_grow_with_its_results
                a_scope_tells_how_many_of_its_records_are_indeterminate
                a_late_result_counts_for_its_scope
            }
            journal {
                a_first_step_marks_the_reservation_and_keeps_its_lease
                a_lapsed_call_with_a_journal_is_suspended_and_nobody_reserves_it
                every_step_is_loaded_byte_for_byte
                of_many_runs_that_resume_a_call_exactly_one_wins
                a_repeated_resume_has_won_and_a_later_one_finds_the_call_taken
                a_fenced_run_writes_no_step_and_does_not_suspend_its_successor
                a_late_run_writes_while_nobody_has_taken_the_call_and_begins_nothing
                a_fenced_run_settles_the_step_that_it_began_and_no_other
                a_step_replaces_only_what_it_may
                a_step_that_replaces_another_marks_no_reservation
                steps_that_are_named_beside_another_replace_none
                a_write_that_takes_its_record_for_marked_marks_one_that_is_not
                a_suspended_call_lapses_at_once_and_keeps_its_steps
                a_call_that_was_suspended_anew_is_resumed_as_it_is_now
                a_call_that_is_suspended_with_another_token_fences_its_late_owner
                a_suspended_call_in_doubt_is_indeterminate_until_it_is_suspended_again
                a_call_without_a_journal_is_released_or_abandoned_when_it_is_suspended
                nobody_frees_a_call_with_a_journal_without_knowing_of_it
                who_knows_of_no_journal_does_not_suspend_a_call_with_one
                a_completed_call_has_no_journal
                another_runs_result_does_not_complete_a_suspended_call
                a_purged_call_has_no_journal
                a_journal_lives_as_long_as_its_record_after_a_renewal
                a_call_that_is_won_again_after_its_retention_has_no_steps
            }
            steps_in_doubt {
                a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
                a_call_that_waits_for_a_step_of_its_own_last_run_goes_on_once_that_run_settles_it
                a_call_whose_steps_were_settled_before_waits_for_none
                a_call_that_waits_for_more_than_its_steps_still_waits_when_they_are_settled
                of_many_who_settle_the_last_steps_one_has_the_call_go_on
            }
            due {
                a_lapsed_call_with_an_input_is_suspended_and_nobody_reserves_it
                a_call_with_an_input_is_due_once_its_lease_is_over
                a_call_that_runs_longer_than_its_lease_is_not_due
                a_resumed_call_is_due_when_its_request_says
                a_suspended_call_is_due_when_its_request_says_or_never
                what_is_due_first_comes_first_and_of_the_operations_asked_for
                calls_that_are_left_out_hide_no_others
                a_due_call_is_in_one_part_of_the_index
                a_call_that_has_ended_is_not_due
                nobody_frees_a_resumed_call_that_has_recorded_nothing
                a_resumed_call_begins_its_journal_with_its_first_step
                a_call_with_a_step_since_it_was_seen_is_resumed_with_its_journal
                a_call_that_waited_for_its_steps_is_due_once_they_are_settled
            }
            cancellation {
                a_reserve_that_was_dropped_midway_can_be_repeated
                a_reserve_that_was_dropped_midway_lapses_at_the_latest
                a_complete_that_was_dropped_midway_can_be_repeated
                a_release_that_was_dropped_midway_can_be_repeated
                looks_and_renewals_that_were_dropped_midway_do_no_harm
                a_waiter_that_went_away_does_not_keep_others_from_waking
            }
        }
    };
}
