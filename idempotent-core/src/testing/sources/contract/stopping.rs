//! What a source does that stops.

use super::fixture::{Fixture, ID, settle};
use crate::consumer::Verdict;

pub(super) async fn a_stopped_source_gives_back_what_it_has(fixture: Fixture) {
    for number in 0..4 {
        fixture.publish(format!("message-{number}").as_str(), b"tea").await;
    }
    let (mut stopping, mut taking) = (fixture.connect().await, fixture.connect().await);
    let in_hand = stopping.next_of(4).await;
    stopping.stop().await;
    if fixture.keeps_to_one_connection() {
        // It is there until nothing is in hand.
        settle(&in_hand, &Verdict::Completed).await;
    }
    for _ in 0..3 {
        let delivery = taking.next_within(fixture.taken_over_within()).await;
        let delivery = delivery.expect("what was not in hand is delivered only after its deadline");
        assert_ne!(delivery.message().id(), in_hand.message().id());
        settle(&delivery, &Verdict::Completed).await;
    }
}

pub(super) async fn what_is_in_hand_can_be_settled_after_its_source_has_stopped(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let (mut stopping, mut waiting) = (fixture.connect().await, fixture.connect().await);
    let in_hand = stopping.next().await;
    stopping.stop().await;
    settle(&in_hand, &Verdict::Completed).await;
    assert!(waiting.next_within(fixture.deadline() * 2).await.is_none());
}
