//! Each flaw of a journal or of the index of due calls makes exactly the cases fail that are about it.

use super::broken_stores::Flaw;
use super::failing_cases::{fails, failures};

fails! {
    write_step_starts_the_lease_anew: WriteStepStartsTheLeaseAnew fails [
        a_first_step_marks_the_reservation_and_keeps_its_lease
        a_late_run_writes_while_nobody_has_taken_the_call_and_begins_nothing
        a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
        a_call_that_waits_for_a_step_of_its_own_last_run_goes_on_once_that_run_settles_it
        a_call_that_waits_for_more_than_its_steps_still_waits_when_they_are_settled
        of_many_who_settle_the_last_steps_one_has_the_call_go_on
    ]
    write_step_truncates_results: WriteStepTruncatesResults fails [
        every_step_is_loaded_byte_for_byte
    ]
    write_step_ignores_the_token: WriteStepIgnoresTheToken fails [
        a_call_that_is_suspended_with_another_token_fences_its_late_owner
        a_fenced_run_writes_no_step_and_does_not_suspend_its_successor
        a_fenced_run_settles_the_step_that_it_began_and_no_other
        a_write_that_takes_its_record_for_marked_marks_one_that_is_not
        a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
        of_many_who_settle_the_last_steps_one_has_the_call_go_on
    ]
    write_step_needs_the_lease: WriteStepNeedsTheLease fails [
        a_late_run_writes_while_nobody_has_taken_the_call_and_begins_nothing
    ]
    write_step_begins_after_the_lease: WriteStepBeginsAfterTheLease fails [
        a_late_run_writes_while_nobody_has_taken_the_call_and_begins_nothing
    ]
    write_step_settles_nothing_late: WriteStepSettlesNothingLate fails [
        a_call_that_is_suspended_with_another_token_fences_its_late_owner
        a_fenced_run_settles_the_step_that_it_began_and_no_other
        a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
        a_call_whose_steps_were_settled_before_waits_for_none
        a_call_that_waits_for_more_than_its_steps_still_waits_when_they_are_settled
        of_many_who_settle_the_last_steps_one_has_the_call_go_on
    ]
    write_step_replaces_anything: WriteStepReplacesAnything fails [
        a_step_replaces_only_what_it_may
        a_step_that_replaces_another_marks_no_reservation
    ]
    write_step_marks_before_it_compares: WriteStepMarksBeforeItCompares fails [
        a_completed_call_has_no_journal
        a_step_that_replaces_another_marks_no_reservation
    ]
    write_step_replaces_the_others: WriteStepReplacesTheOthers fails [
        steps_that_are_named_beside_another_replace_none
    ]
    resume_reads_then_writes: ResumeReadsThenWrites fails [
        of_many_runs_that_resume_a_call_exactly_one_wins
    ]
    resume_refuses_its_own_token: ResumeRefusesItsOwnToken fails [
        a_repeated_resume_has_won_and_a_later_one_finds_the_call_taken
    ]
    suspend_keeps_the_token: SuspendKeepsTheToken fails [
        a_call_that_is_suspended_with_another_token_fences_its_late_owner
    ]
    suspend_keeps_the_lease: SuspendKeepsTheLease fails [
        a_suspended_call_lapses_at_once_and_keeps_its_steps
        a_call_that_was_suspended_anew_is_resumed_as_it_is_now
        a_suspended_call_in_doubt_is_indeterminate_until_it_is_suspended_again
        a_call_without_a_journal_is_released_or_abandoned_when_it_is_suspended
        a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
        a_call_that_waits_for_a_step_of_its_own_last_run_goes_on_once_that_run_settles_it
        a_call_whose_steps_were_settled_before_waits_for_none
        a_call_that_waits_for_more_than_its_steps_still_waits_when_they_are_settled
        of_many_who_settle_the_last_steps_one_has_the_call_go_on
    ]
    suspend_settles_nothing: SuspendSettlesNothing fails [
        a_suspended_call_in_doubt_is_indeterminate_until_it_is_suspended_again
        a_call_whose_steps_were_settled_before_waits_for_none
    ]
    suspend_releases_everything: SuspendReleasesEverything fails [
        a_call_without_a_journal_is_released_or_abandoned_when_it_is_suspended
    ]
    suspend_forgets_the_journal: SuspendForgetsTheJournal fails [
        who_knows_of_no_journal_does_not_suspend_a_call_with_one
    ]
    reserve_wins_over_a_journal: ReserveWinsOverAJournal fails [
        a_call_that_is_suspended_with_another_token_fences_its_late_owner
        a_lapsed_call_with_a_journal_is_suspended_and_nobody_reserves_it
        a_suspended_call_lapses_at_once_and_keeps_its_steps
        a_journal_lives_as_long_as_its_record_after_a_renewal
        a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
        a_call_that_waits_for_a_step_of_its_own_last_run_goes_on_once_that_run_settles_it
        a_call_whose_steps_were_settled_before_waits_for_none
        of_many_who_settle_the_last_steps_one_has_the_call_go_on
    ]
    reserve_keeps_the_old_journal: ReserveKeepsTheOldJournal fails [
        a_call_that_is_won_again_after_its_retention_has_no_steps
    ]
    release_frees_a_journal: ReleaseFreesAJournal fails [
        nobody_frees_a_call_with_a_journal_without_knowing_of_it
    ]
    renew_shortens_the_retention: RenewShortensTheRetention fails [
        a_journal_lives_as_long_as_its_record_after_a_renewal
    ]
    complete_keeps_the_journal: CompleteKeepsTheJournal fails [
        a_completed_call_has_no_journal
    ]
    complete_overwrites_suspended_calls: CompleteOverwritesSuspendedCalls fails [
        a_call_that_is_suspended_with_another_token_fences_its_late_owner
        another_runs_result_does_not_complete_a_suspended_call
    ]
    purge_keeps_the_journal: PurgeKeepsTheJournal fails [
        a_purged_call_has_no_journal
    ]
    write_step_trusts_the_mark: WriteStepTrustsTheMark fails [
        a_write_that_takes_its_record_for_marked_marks_one_that_is_not
    ]
    write_step_never_ends_the_wait: WriteStepNeverEndsTheWait fails [
        a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
        a_call_that_waits_for_a_step_of_its_own_last_run_goes_on_once_that_run_settles_it
        of_many_who_settle_the_last_steps_one_has_the_call_go_on
    ]
    write_step_never_ends_its_own_wait: WriteStepNeverEndsItsOwnWait fails [
        a_call_that_waits_for_a_step_of_its_own_last_run_goes_on_once_that_run_settles_it
    ]
    write_step_ends_the_wait_at_once: WriteStepEndsTheWaitAtOnce fails [
        a_call_that_waits_for_its_steps_goes_on_once_the_last_is_settled
    ]
    write_step_ends_every_wait: WriteStepEndsEveryWait fails [
        a_call_that_is_suspended_with_another_token_fences_its_late_owner
        a_call_that_waits_for_more_than_its_steps_still_waits_when_they_are_settled
    ]
    write_step_looks_before_it_writes: WriteStepLooksBeforeItWrites fails [
        of_many_who_settle_the_last_steps_one_has_the_call_go_on
    ]
    suspend_waits_for_settled_steps: SuspendWaitsForSettledSteps fails [
        a_call_whose_steps_were_settled_before_waits_for_none
    ]
    the_wait_ends_without_a_due_time: TheWaitEndsWithoutADueTime fails [
        a_call_that_waited_for_its_steps_is_due_once_they_are_settled
    ]
    reserve_wins_over_an_input: ReserveWinsOverAnInput fails [
        a_lapsed_call_with_an_input_is_suspended_and_nobody_reserves_it
        a_resumed_call_is_due_when_its_request_says
        a_suspended_call_is_due_when_its_request_says_or_never
        nobody_frees_a_resumed_call_that_has_recorded_nothing
    ]
    due_tells_of_running_calls: DueTellsOfRunningCalls fails [
        a_call_that_runs_longer_than_its_lease_is_not_due
    ]
    due_tells_of_nothing: DueTellsOfNothing fails [
        a_call_with_an_input_is_due_once_its_lease_is_over
        a_call_that_runs_longer_than_its_lease_is_not_due
        a_resumed_call_is_due_when_its_request_says
        a_suspended_call_is_due_when_its_request_says_or_never
        what_is_due_first_comes_first_and_of_the_operations_asked_for
        calls_that_are_left_out_hide_no_others
        a_due_call_is_in_one_part_of_the_index
        a_call_that_waited_for_its_steps_is_due_once_they_are_settled
    ]
    due_ignores_the_operations: DueIgnoresTheOperations fails [
        what_is_due_first_comes_first_and_of_the_operations_asked_for
    ]
    due_ignores_the_order: DueIgnoresTheOrder fails [
        what_is_due_first_comes_first_and_of_the_operations_asked_for
    ]
    due_ignores_the_limit: DueIgnoresTheLimit fails [
        what_is_due_first_comes_first_and_of_the_operations_asked_for
    ]
    due_leaves_out_too_late: DueLeavesOutTooLate fails [
        calls_that_are_left_out_hide_no_others
    ]
    due_ignores_the_parts: DueIgnoresTheParts fails [
        a_due_call_is_in_one_part_of_the_index
    ]
    resume_ignores_the_due_time: ResumeIgnoresTheDueTime fails [
        a_resumed_call_is_due_when_its_request_says
    ]
    suspend_ignores_the_due_time: SuspendIgnoresTheDueTime fails [
        a_suspended_call_is_due_when_its_request_says_or_never
        a_call_that_waited_for_its_steps_is_due_once_they_are_settled
    ]
    complete_keeps_the_due_time: CompleteKeepsTheDueTime fails [
        a_call_that_has_ended_is_not_due
    ]
    suspend_frees_resumed_calls: SuspendFreesResumedCalls fails [
        nobody_frees_a_resumed_call_that_has_recorded_nothing
    ]
    write_step_marks_only_first_runs: WriteStepMarksOnlyFirstRuns fails [
        a_resumed_call_begins_its_journal_with_its_first_step
    ]
    resume_goes_by_the_token: ResumeGoesByTheToken fails [
        a_call_that_was_suspended_anew_is_resumed_as_it_is_now
        a_call_with_a_step_since_it_was_seen_is_resumed_with_its_journal
    ]
}
