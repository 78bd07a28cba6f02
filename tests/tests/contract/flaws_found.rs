//! Each flaw makes exactly the cases fail that are about it.

use super::broken_stores::Flaw;
use super::failing_cases::{fails, failures};

fails! {
    handles_share_nothing: HandlesShareNothing fails [
        a_lapsed_at_most_once_reservation_is_indeterminate_for_everyone
        a_late_result_and_the_next_reserve_do_not_both_win
        a_renewal_at_the_moment_of_a_release_revives_nothing
        another_handle_sees_the_same_records
        of_many_concurrent_reserves_exactly_one_wins
        of_many_concurrent_reserves_of_a_lapsed_id_exactly_one_wins
        of_many_concurrent_results_for_a_vacant_id_one_is_recorded
    ]
    reserve_reads_then_writes: ReserveReadsThenWrites fails [
        a_late_result_and_the_next_reserve_do_not_both_win
        of_many_concurrent_reserves_exactly_one_wins
        of_many_concurrent_reserves_of_a_lapsed_id_exactly_one_wins
    ]
    reserve_extends_its_own_lease: ReserveExtendsItsOwnLease fails [
        a_repeated_reserve_has_won_without_extending_its_lease
    ]
    reserve_refuses_its_own_token: ReserveRefusesItsOwnToken fails [
        a_repeated_reserve_has_won_without_extending_its_lease
        a_reserve_that_was_dropped_midway_can_be_repeated
    ]
    reserve_wins_its_own_lapsed_token_for_nothing: ReserveWinsItsOwnLapsedTokenForNothing fails [
        a_repeated_reserve_after_its_lapse_wins_a_whole_lease
    ]
    reserve_wins_its_own_result: ReserveWinsItsOwnResult fails [
        a_repeated_reserve_after_its_completion_finds_it_completed
    ]
    reserve_answers_from_a_journal: ReserveAnswersFromAJournal fails [
        a_lapsed_at_most_once_reservation_is_indeterminate_for_everyone
        a_late_reserve_does_not_touch_a_successor
        a_repeated_reserve_after_its_completion_finds_it_completed
        a_repeated_reserve_after_its_lapse_wins_a_whole_lease
    ]
    reserve_never_takes_over: ReserveNeverTakesOver fails [
        a_fenced_owner_does_not_abandon_its_successors_reservation
        a_fenced_owner_does_not_complete_its_successors_reservation
        a_fenced_owner_does_not_overwrite_its_successors_result
        a_fenced_owner_does_not_release_its_successors_reservation
        a_fenced_owner_does_not_renew_its_successors_lease
        a_fenced_owner_does_not_resolve_its_successors_doubt
        a_lapsed_at_least_once_reservation_is_vacant
        a_lapsed_id_refuses_anothers_result_that_asks_for_its_record
        a_renewal_after_the_lapse_is_lost_and_revives_nothing
        a_renewal_of_another_token_is_lost_and_changes_nothing
        a_renewed_lease_still_lapses
        a_repeated_reserve_after_its_lapse_wins_a_whole_lease
        a_repeated_reserve_has_won_without_extending_its_lease
        a_reserve_that_arrives_after_its_release_lapses_with_its_lease
        a_reserve_that_was_dropped_midway_lapses_at_the_latest
        an_abandoned_at_least_once_reservation_is_vacant_at_once
        looks_and_renewals_that_were_dropped_midway_do_no_harm
        of_many_concurrent_reserves_of_a_lapsed_id_exactly_one_wins
        repeated_renewals_do_not_add_up
        the_reservations_own_guarantee_governs_its_lapse
    ]
    reserve_forgets_indeterminate: ReserveForgetsIndeterminate fails [
        a_fenced_owner_does_not_resolve_its_successors_doubt
        a_full_store_refuses_new_reservations_and_keeps_the_old_ones
        a_lapsed_at_most_once_reservation_is_indeterminate_for_everyone
        a_renewed_reservation_keeps_its_whole_retention
        an_abandoned_at_most_once_reservation_is_indeterminate_at_once
        an_abandoned_record_is_released_only_when_that_is_asked_for
        an_abandoned_record_may_have_a_stricter_guarantee
        an_abandoned_record_stays_for_its_retention_and_no_longer
        an_indeterminate_record_is_not_renewed
        an_indeterminate_record_is_released_only_by_its_own_token
        an_indeterminate_record_is_released_only_when_that_is_asked_for
        an_indeterminate_record_stays_for_its_retention_and_no_longer
        an_indeterminate_record_tells_its_remaining_retention
        another_owner_does_not_complete_an_indeterminate_record
        the_reservations_own_guarantee_governs_its_lapse
    ]
    reserve_goes_by_the_newcomers_guarantee: ReserveGoesByTheNewcomersGuarantee fails [
        the_reservations_own_guarantee_governs_its_lapse
    ]
    reserve_halves_the_lease: ReserveHalvesTheLease fails [
        a_fenced_owner_does_not_complete_its_successors_reservation
        a_fenced_owner_does_not_renew_its_successors_lease
        a_full_store_refuses_new_reservations_and_keeps_the_old_ones
        a_held_reservation_says_so_and_keeps_its_lease
        a_lapsed_at_least_once_reservation_is_vacant
        a_renewal_of_another_token_is_lost_and_changes_nothing
        a_renewal_starts_the_lease_anew
        a_renewed_lease_still_lapses
        a_repeated_reserve_after_its_lapse_wins_a_whole_lease
        a_reservation_holds_until_its_lease_ends
        a_scan_tells_each_record_as_load_does
        a_taken_id_tells_its_record_and_its_remaining_lease
        an_indeterminate_record_tells_its_remaining_retention
        the_winners_record_stands_under_the_id
    ]
    reserve_tells_the_whole_lease: ReserveTellsTheWholeLease fails [
        a_held_reservation_says_so_and_keeps_its_lease
        a_taken_id_tells_its_record_and_its_remaining_lease
    ]
    reserve_evicts_when_full: ReserveEvictsWhenFull fails [
        a_full_store_refuses_new_reservations_and_keeps_the_old_ones
    ]
    reserve_drops_the_keys_text: ReserveDropsTheKeysText fails [
        every_field_of_a_reservation_survives
    ]
    reserve_refuses_long_names: ReserveRefusesLongNames fails [
        any_operation_name_is_only_a_name
    ]
    renew_ignores_the_token: RenewIgnoresTheToken fails [
        a_fenced_owner_does_not_renew_its_successors_lease
        a_renewal_of_another_token_is_lost_and_changes_nothing
    ]
    renew_moves_a_completed_records_end: RenewMovesACompletedRecordsEnd fails [
        a_late_renew_does_not_touch_a_completed_record
    ]
    renew_revives_the_lapsed: RenewRevivesTheLapsed fails [
        a_renewal_after_the_lapse_is_lost_and_revives_nothing
        an_indeterminate_record_is_not_renewed
    ]
    renew_writes_where_nothing_stands: RenewWritesWhereNothingStands fails [
        a_purge_removes_a_reservation_and_fences_its_owner
        a_renewal_at_the_moment_of_a_release_revives_nothing
        a_renewal_of_a_vacant_id_is_lost_and_leaves_it_vacant
    ]
    renew_reads_then_writes: RenewReadsThenWrites fails [
        a_renewal_at_the_moment_of_a_release_revives_nothing
    ]
    renew_adds_to_the_lease: RenewAddsToTheLease fails [
        a_renewal_starts_the_lease_anew
        a_renewed_lease_still_lapses
        looks_and_renewals_that_were_dropped_midway_do_no_harm
        repeated_renewals_do_not_add_up
    ]
    renew_repeats_the_first_lease: RenewRepeatsTheFirstLease fails [
        a_renewal_gives_the_lease_it_names
        a_renewed_reservation_keeps_its_whole_retention
    ]
    complete_reads_then_writes: CompleteReadsThenWrites fails [
        a_late_result_and_the_next_reserve_do_not_both_win
        of_many_concurrent_results_for_a_vacant_id_one_is_recorded
    ]
    complete_overwrites_a_successor: CompleteOverwritesASuccessor fails [
        a_complete_of_another_token_does_not_touch_a_reservation
        a_fenced_owner_does_not_complete_its_successors_reservation
        a_late_result_and_the_next_reserve_do_not_both_win
    ]
    complete_overwrites_anothers_result: CompleteOverwritesAnothersResult fails [
        a_complete_of_another_token_does_not_touch_a_completed_record
        a_fenced_owner_does_not_overwrite_its_successors_result
        of_many_concurrent_results_for_a_vacant_id_one_is_recorded
    ]
    complete_overwrites_itself: CompleteOverwritesItself fails [
        a_repeated_complete_is_recorded_and_changes_nothing
    ]
    complete_refuses_vacant_ids: CompleteRefusesVacantIds fails [
        a_late_result_counts_for_its_scope
        a_result_is_recorded_after_a_lapse_that_nobody_took
        a_result_is_recorded_where_nothing_stands
        of_many_concurrent_results_for_a_vacant_id_one_is_recorded
    ]
    complete_refuses_the_late_owner: CompleteRefusesTheLateOwner fails [
        a_result_that_asks_for_its_record_is_recorded_on_it
        an_abandoned_record_is_completed_by_its_late_owner
        the_late_owner_of_an_indeterminate_record_completes_it
    ]
    complete_refuses_whoever_asks: CompleteRefusesWhoeverAsks fails [
        a_result_that_asks_for_its_record_is_recorded_on_it
    ]
    complete_never_refuses: CompleteNeverRefuses fails [
        a_lapsed_id_refuses_anothers_result_that_asks_for_its_record
        a_vacant_id_refuses_a_result_that_asks_for_its_record
    ]
    complete_keeps_the_leases_end: CompleteKeepsTheLeasesEnd fails [
        a_completed_record_keeps_its_token_and_tells_its_ttl
        a_completed_record_outlives_the_lease_and_ends_with_its_ttl
        a_fenced_owner_does_not_overwrite_its_successors_result
        a_late_renew_does_not_touch_a_completed_record
        a_repeated_complete_is_recorded_and_changes_nothing
        a_result_counts_for_its_scope_until_its_ttl_ends
        a_ttl_below_the_clocks_grain_ends_at_once
        a_ttl_shorter_than_the_lease_ends_first
        looking_changes_nothing
    ]
    complete_wraps_endless_ttls: CompleteWrapsEndlessTtls fails [
        leases_and_ttls_beyond_every_calendar_do_no_harm
    ]
    complete_drops_empty_results: CompleteDropsEmptyResults fails [
        falsy_results_are_results
    ]
    complete_truncates_results: CompleteTruncatesResults fails [
        a_result_of_one_mebibyte_survives
    ]
    complete_ends_results_at_a_nul: CompleteEndsResultsAtANul fails [
        a_completed_record_replays_byte_for_byte
        a_result_of_one_mebibyte_survives
        falsy_results_are_results
    ]
    complete_refuses_tombstones: CompleteRefusesTombstones fails [
        a_tombstone_stands_like_any_result
    ]
    complete_writes_in_two_steps: CompleteWritesInTwoSteps fails [
        a_complete_that_was_dropped_midway_can_be_repeated
    ]
    release_does_nothing: ReleaseDoesNothing fails [
        a_full_store_refuses_new_reservations_and_keeps_the_old_ones
        a_late_reserve_does_not_touch_a_successor
        a_release_frees_the_id_at_once
        a_release_that_was_dropped_midway_can_be_repeated
        a_renewal_at_the_moment_of_a_release_revives_nothing
        a_renewal_of_a_vacant_id_is_lost_and_leaves_it_vacant
        a_repeated_release_does_not_touch_a_successor
        a_vacant_id_is_not_abandoned
        a_vacant_id_refuses_a_result_that_asks_for_its_record
        a_wait_ends_at_once_where_another_token_stands
        a_wait_ends_when_the_call_is_released
        a_wait_without_end_is_a_wait
        an_abandoned_record_is_released_only_when_that_is_asked_for
        an_indeterminate_record_is_released_only_when_that_is_asked_for
    ]
    release_ignores_the_token: ReleaseIgnoresTheToken fails [
        a_fenced_owner_does_not_release_its_successors_reservation
        a_purge_removes_a_reservation_and_fences_its_owner
        a_release_of_another_token_does_nothing
        a_repeated_release_does_not_touch_a_successor
    ]
    release_deletes_completed_records: ReleaseDeletesCompletedRecords fails [
        a_late_release_does_not_touch_a_completed_record
    ]
    release_frees_the_indeterminate: ReleaseFreesTheIndeterminate fails [
        an_abandoned_record_is_released_only_when_that_is_asked_for
        an_indeterminate_record_is_released_only_when_that_is_asked_for
    ]
    release_never_frees_the_indeterminate: ReleaseNeverFreesTheIndeterminate fails [
        an_abandoned_record_is_released_only_when_that_is_asked_for
        an_indeterminate_record_is_released_only_when_that_is_asked_for
    ]
    release_leaves_a_trace: ReleaseLeavesATrace fails [
        a_release_of_a_vacant_id_does_nothing
        a_release_that_was_dropped_midway_can_be_repeated
        a_repeated_release_does_not_touch_a_successor
    ]
    release_removes_in_two_steps: ReleaseRemovesInTwoSteps fails [
        a_release_that_was_dropped_midway_can_be_repeated
    ]
    abandon_does_nothing: AbandonDoesNothing fails [
        a_held_reservation_says_so_and_keeps_its_lease
        a_scope_tells_how_many_of_its_records_are_indeterminate
        a_wait_ends_when_the_call_is_abandoned_or_held
        an_abandoned_at_least_once_reservation_is_vacant_at_once
        an_abandoned_at_most_once_reservation_is_indeterminate_at_once
        an_abandoned_record_is_released_only_when_that_is_asked_for
        an_abandoned_record_may_have_a_stricter_guarantee
        an_abandoned_record_stays_for_its_retention_and_no_longer
    ]
    abandon_ignores_the_token: AbandonIgnoresTheToken fails [
        a_fenced_owner_does_not_abandon_its_successors_reservation
        a_reservation_is_not_abandoned_by_another_token
    ]
    abandon_ends_every_lease: AbandonEndsEveryLease fails [
        a_held_reservation_says_so_and_keeps_its_lease
    ]
    abandon_starts_the_lease_anew: AbandonStartsTheLeaseAnew fails [
        a_held_reservation_says_so_and_keeps_its_lease
    ]
    abandon_touches_completed_records: AbandonTouchesCompletedRecords fails [
        a_completed_record_is_not_abandoned
    ]
    abandon_writes_where_nothing_stands: AbandonWritesWhereNothingStands fails [
        a_vacant_id_is_not_abandoned
    ]
    abandon_keeps_the_guarantee: AbandonKeepsTheGuarantee fails [
        an_abandoned_record_may_have_a_stricter_guarantee
    ]
    abandon_frees_the_id: AbandonFreesTheId fails [
        a_held_reservation_says_so_and_keeps_its_lease
        a_scope_tells_how_many_of_its_records_are_indeterminate
        an_abandoned_at_most_once_reservation_is_indeterminate_at_once
        an_abandoned_record_is_released_only_when_that_is_asked_for
        an_abandoned_record_may_have_a_stricter_guarantee
        an_abandoned_record_stays_for_its_retention_and_no_longer
    ]
    abandon_is_final: AbandonIsFinal fails [
        a_scope_tells_how_many_of_its_records_are_indeterminate
        an_abandoned_at_least_once_reservation_is_vacant_at_once
        an_abandoned_at_most_once_reservation_is_indeterminate_at_once
        an_abandoned_record_is_completed_by_its_late_owner
        an_abandoned_record_is_released_only_when_that_is_asked_for
        an_abandoned_record_may_have_a_stricter_guarantee
        an_abandoned_record_stays_for_its_retention_and_no_longer
    ]
    wait_never_wakes: WaitNeverWakes fails [
        a_wait_ends_at_once_where_another_token_stands
        a_wait_ends_at_once_where_nothing_is_reserved
        a_wait_ends_when_a_renewed_call_completes
        a_wait_ends_when_the_call_completes
        a_wait_ends_when_the_call_is_abandoned_or_held
        a_wait_ends_when_the_call_is_released
        a_wait_ends_when_the_id_is_purged
        a_wait_ends_when_the_lease_lapses
        a_wait_without_end_is_a_wait
        a_waiter_that_went_away_does_not_keep_others_from_waking
        every_waiter_wakes
    ]
    wait_ignores_its_timeout: WaitIgnoresItsTimeout fails [
        a_wait_ends_with_its_timeout_and_touches_nothing
    ]
    wait_ignores_the_token: WaitIgnoresTheToken fails [
        a_wait_ends_at_once_where_another_token_stands
    ]
    local_shows_running_calls: LocalShowsRunningCalls fails [
        only_completed_records_are_answered_locally
    ]
    local_outlives_the_ttl: LocalOutlivesTheTtl fails [
        only_completed_records_are_answered_locally
    ]
    load_extends: LoadExtends fails [
        a_fenced_owner_does_not_renew_its_successors_lease
        a_renewal_of_another_token_is_lost_and_changes_nothing
        looking_changes_nothing
    ]
    load_tells_the_whole_lease: LoadTellsTheWholeLease fails [
        a_completed_record_keeps_its_token_and_tells_its_ttl
        an_indeterminate_record_tells_its_remaining_retention
    ]
    load_forgets_the_lapsed: LoadForgetsTheLapsed fails [
        a_lapsed_at_least_once_reservation_looks_as_the_subject_declares
    ]
    purge_does_nothing: PurgeDoesNothing fails [
        a_purge_removes_a_completed_record
        a_purge_removes_a_lapsed_reservation
        a_purge_removes_a_reservation_and_fences_its_owner
        a_purge_removes_an_indeterminate_record
        a_scan_tells_what_it_cannot_read_and_a_purge_removes_it
        a_wait_ends_when_the_id_is_purged
        records_of_different_ids_do_not_touch_each_other
    ]
    purge_always_finds: PurgeAlwaysFinds fails [
        a_purge_of_a_vacant_id_finds_nothing
        a_purge_removes_a_completed_record
    ]
    correct_does_nothing: CorrectDoesNothing fails [
        a_correction_replaces_the_record_that_was_seen
        a_repeated_correction_has_corrected
        a_reservation_is_not_corrected
    ]
    correct_goes_by_the_token: CorrectGoesByTheToken fails [
        a_correction_of_another_record_changes_nothing
    ]
    correct_refuses_itself: CorrectRefusesItself fails [
        a_repeated_correction_has_corrected
    ]
    correct_keeps_the_end: CorrectKeepsTheEnd fails [
        a_correction_replaces_the_record_that_was_seen
    ]
    correct_touches_reservations: CorrectTouchesReservations fails [
        a_reservation_is_not_corrected
    ]
    correct_writes_where_nothing_stands: CorrectWritesWhereNothingStands fails [
        a_vacant_id_is_not_corrected
    ]
    scan_loses_the_last_page: ScanLosesTheLastPage fails [
        a_scan_misses_nothing_when_what_it_has_shown_goes_away
        pages_lead_to_the_end_without_losing_a_record
    ]
    scan_counts_what_it_has_shown: ScanCountsWhatItHasShown fails [
        a_scan_misses_nothing_when_what_it_has_shown_goes_away
    ]
    scan_ignores_the_operation: ScanIgnoresTheOperation fails [
        a_scan_filters_by_the_whole_name_of_an_operation
    ]
    scan_matches_prefixes: ScanMatchesPrefixes fails [
        a_scan_filters_by_the_whole_name_of_an_operation
    ]
    scan_needs_an_operation: ScanNeedsAnOperation fails [
        a_scan_without_filters_sees_every_operation
    ]
    scan_ignores_the_states: ScanIgnoresTheStates fails [
        a_scan_filters_by_state
        a_scan_of_the_unfinished_sees_what_runs_and_what_was_lost
    ]
    scan_skips_the_unreadable: ScanSkipsTheUnreadable fails [
        a_scan_tells_what_it_cannot_read_and_a_purge_removes_it
    ]
    scan_tells_one_state: ScanTellsOneState fails [
        a_scan_tells_each_record_as_load_does
    ]
}
