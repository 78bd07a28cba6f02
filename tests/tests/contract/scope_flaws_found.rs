//! Each flaw in what a store says of a scope makes exactly the cases fail that are about it.

use super::broken_stores::Flaw;
use super::failing_cases::{fails, failures};

fails! {
    scope_use_counts_every_scope: ScopeUseCountsEveryScope fails [
        a_scope_has_its_own_records_and_no_others
    ]
    scope_use_counts_what_has_expired: ScopeUseCountsWhatHasExpired fails [
        a_late_result_counts_for_its_scope
        a_result_counts_for_its_scope_until_its_ttl_ends
    ]
    scope_use_tells_no_bytes: ScopeUseTellsNoBytes fails [
        a_scopes_bytes_grow_with_its_results
    ]
    scope_use_forgets_the_indeterminate: ScopeUseForgetsTheIndeterminate fails [
        a_scope_tells_how_many_of_its_records_are_indeterminate
    ]
    scope_use_misses_late_results: ScopeUseMissesLateResults fails [
        a_late_result_counts_for_its_scope
    ]
}
