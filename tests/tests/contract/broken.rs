//! Each flaw makes exactly the cases fail that are about it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use idempotent_core::Store;
use idempotent_core::testing::contract::{self, Subject};
use tokio::task::JoinSet;

use super::flaws::{Broken, Flaw};
use super::reference::ReferenceStore;

impl Broken {
    fn with(flaw: Flaw, store: ReferenceStore) -> Self {
        Self { store, flaw }
    }
}

#[async_trait::async_trait]
impl Subject for Broken {
    fn store(&self) -> Arc<dyn Store> {
        Arc::new(self.clone())
    }

    async fn advance(&self, by: Duration) {
        self.store.advance(by);
    }

    /// Waits that never end are what some cases are for.
    fn patience(&self) -> Duration {
        Duration::from_secs(2)
    }

    fn bounded(&self, reservations: usize) -> Option<Arc<dyn Store>> {
        let store = self.store.with_room(reservations);
        Some(Arc::new(Self::with(self.flaw, store)))
    }
}

/// The names of the cases that a store with this flaw does not pass.
async fn failures(flaw: Flaw) -> BTreeSet<&'static str> {
    let mut tries = JoinSet::new();
    for case in contract::cases() {
        tries.spawn(async move {
            let subject = Broken::with(flaw, ReferenceStore::default());
            let passed = tokio::spawn(async move { case.run(subject).await }).await;
            passed.is_err().then_some(case.name())
        });
    }
    tries.join_all().await.into_iter().flatten().collect()
}

macro_rules! fails {
    ($($name:ident: $flaw:ident fails [$($case:ident)*])*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            let expected = BTreeSet::from([$(stringify!($case)),*]);
            assert_eq!(failures(Flaw::$flaw).await, expected);
        }
    )*};
}

fails! {
    reserve_reads_then_writes: ReserveReadsThenWrites fails [
    ]
    reserve_extends_its_own_lease: ReserveExtendsItsOwnLease fails [
    ]
    reserve_refuses_its_own_token: ReserveRefusesItsOwnToken fails [
    ]
    reserve_forgets_indeterminate: ReserveForgetsIndeterminate fails [
    ]
    reserve_goes_by_the_newcomers_guarantee: ReserveGoesByTheNewcomersGuarantee fails [
    ]
    reserve_evicts_when_full: ReserveEvictsWhenFull fails [
    ]
    renew_ignores_the_token: RenewIgnoresTheToken fails [
    ]
    renew_moves_a_completed_records_end: RenewMovesACompletedRecordsEnd fails [
    ]
    renew_revives_the_lapsed: RenewRevivesTheLapsed fails [
    ]
    renew_adds_to_the_lease: RenewAddsToTheLease fails [
    ]
    complete_reads_then_writes: CompleteReadsThenWrites fails [
    ]
    complete_overwrites_a_successor: CompleteOverwritesASuccessor fails [
    ]
    complete_refuses_vacant_ids: CompleteRefusesVacantIds fails [
    ]
    complete_never_refuses: CompleteNeverRefuses fails [
    ]
    complete_overwrites_itself: CompleteOverwritesItself fails [
    ]
    complete_keeps_the_leases_end: CompleteKeepsTheLeasesEnd fails [
    ]
    complete_drops_empty_results: CompleteDropsEmptyResults fails [
    ]
    complete_truncates_results: CompleteTruncatesResults fails [
    ]
    complete_refuses_tombstones: CompleteRefusesTombstones fails [
    ]
    release_ignores_the_token: ReleaseIgnoresTheToken fails [
    ]
    release_deletes_completed_records: ReleaseDeletesCompletedRecords fails [
    ]
    release_frees_the_indeterminate: ReleaseFreesTheIndeterminate fails [
    ]
    release_never_frees_the_indeterminate: ReleaseNeverFreesTheIndeterminate fails [
    ]
    wait_never_wakes: WaitNeverWakes fails [
    ]
    wait_ignores_its_timeout: WaitIgnoresItsTimeout fails [
    ]
    wait_ignores_the_token: WaitIgnoresTheToken fails [
    ]
    load_extends: LoadExtends fails [
    ]
    load_tells_the_whole_lease: LoadTellsTheWholeLease fails [
    ]
    purge_does_nothing: PurgeDoesNothing fails [
    ]
    purge_always_finds: PurgeAlwaysFinds fails [
    ]
    scan_loses_the_last_page: ScanLosesTheLastPage fails [
    ]
    scan_ignores_the_operation: ScanIgnoresTheOperation fails [
    ]
    scan_matches_prefixes: ScanMatchesPrefixes fails [
    ]
    scan_ignores_the_states: ScanIgnoresTheStates fails [
    ]
}
