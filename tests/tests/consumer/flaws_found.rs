//! Each flaw of a source fails exactly one case of the contract, and each case finds one.

use std::collections::BTreeSet;

use idempotent_core::testing::sources;
use tokio::task::JoinSet;

use crate::broken_source::{BrokenSubject, Flaw};

/// The names of the cases that a source with this flaw does not pass.
async fn failures(flaw: Flaw) -> BTreeSet<&'static str> {
    let mut tries = JoinSet::new();
    for case in sources::cases() {
        tries.spawn(async move {
            let subject = BrokenSubject::new(flaw);
            let passed = tokio::spawn(async move { case.run(subject).await }).await;
            passed.is_err().then_some(case.name())
        });
    }
    tries.join_all().await.into_iter().flatten().collect()
}

macro_rules! fails {
    ($($name:ident: $flaw:ident fails $case:ident)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            assert_eq!(failures(Flaw::$flaw).await, BTreeSet::from([stringify!($case)]));
        }
    )*

    #[test]
    fn no_case_is_one_that_every_source_passes() {
        let failed = BTreeSet::from([$(stringify!($case)),*]);
        let cases = sources::cases().iter().map(sources::Case::name).collect();
        assert_eq!(failed, cases);
    }
    };
}

fails! {
    payloads_are_truncated: TruncatesPayloads fails a_message_arrives_as_it_was_published
    ids_have_a_prefix: PrefixesIds fails a_message_has_the_id_that_it_was_published_under
    ids_differ_by_delivery: NumbersDeliveriesInIds fails an_id_is_the_same_in_every_delivery
    all_without_an_id_have_one: HasOneIdForAllWithout fails messages_without_an_id_have_ids_of_their_own
    all_have_one_position: HasOnePosition fails positions_tell_messages_apart
    deliveries_are_counted_from_zero: CountsFromZero fails deliveries_are_counted_if_at_all_from_one
    all_is_received_at_once: ReceivesAllItCan fails no_more_is_received_than_there_is_room_for
    what_is_waited_for_is_lost: LosesWhatItWaitsFor fails a_dropped_wait_loses_nothing
    the_deadline_is_not_told: SaysNothingOfItsDeadline fails the_terms_tell_the_deadline
    nothing_is_acknowledged: NeverAcknowledges fails a_completed_message_is_not_delivered_again
    a_repetition_is_refused: RefusesToRepeat fails a_verdict_may_be_repeated
    retries_come_too_soon: RetriesTooSoon fails a_retry_comes_after_its_pause
    busy_messages_come_too_soon: IsBusyForAMoment fails a_busy_message_comes_after_its_pause
    nothing_is_given_back: GivesNothingBack fails a_message_that_is_given_back_is_delivered_at_once
    what_is_parked_is_gone: DropsWhatItParks fails a_parked_message_is_kept_under_its_id
    what_is_parked_is_not_settled: ParksWithoutSettling fails a_parked_message_is_not_delivered_again
    copies_have_new_ids: ParksCopiesUnderNewIds fails every_copy_of_a_parked_message_has_its_id
    what_nobody_settles_is_kept_alive: KeepsAliveWhatNobodySettles fails a_message_that_nobody_settles_is_delivered_again
    what_is_left_is_given_back: SettlesWhatIsLeft fails a_message_that_is_left_is_delivered_again
    nothing_is_kept_alive: KeepsNothingAlive fails a_message_that_is_kept_alive_is_not_delivered_again
    keep_alives_undo_verdicts: KeepsAliveAfterAVerdict fails keeping_alive_after_a_verdict_does_not_undo_it
    a_buffer_is_forgotten: StopsWithItsBuffer fails a_stopped_source_gives_back_what_it_has
    nothing_is_settled_once_stopped: SettlesNothingOnceStopped fails what_is_in_hand_can_be_settled_after_its_source_has_stopped
}
