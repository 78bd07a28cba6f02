//! What is delivered.

use std::time::Duration;

use super::fixture::{Fixture, ID, settle};
use crate::consumer::Verdict;

pub(super) async fn a_message_arrives_as_it_was_published(fixture: Fixture) {
    let payload: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    fixture.publish(ID, &payload).await;
    let delivery = fixture.connect().await.next().await;
    assert!(delivery.message().payload() == &payload, "the payload is another one");
}

pub(super) async fn a_message_has_the_id_that_it_was_published_under(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let delivery = fixture.connect().await.next().await;
    assert_eq!(delivery.message().id(), ID);
}

pub(super) async fn an_id_is_the_same_in_every_delivery(fixture: Fixture) {
    fixture.publish(None, b"tea").await;
    let mut connection = fixture.connect().await;
    let first = connection.next().await;
    settle(&first, &Verdict::GivenBack).await;
    let second = connection.next().await;
    assert_eq!(second.message().id(), first.message().id());
    assert_eq!(second.message().position(), first.message().position());
}

pub(super) async fn messages_without_an_id_have_ids_of_their_own(fixture: Fixture) {
    if !fixture.gives_ids() {
        return;
    }
    fixture.publish(None, b"tea").await;
    fixture.publish(None, b"tea").await;
    let mut connection = fixture.connect().await;
    let (first, second) = (connection.next().await, connection.next().await);
    assert_ne!(first.message().id(), second.message().id());
}

pub(super) async fn positions_tell_messages_apart(fixture: Fixture) {
    fixture.publish("message-1", b"tea").await;
    fixture.publish("message-2", b"tea").await;
    let mut connection = fixture.connect().await;
    let (first, second) = (connection.next().await, connection.next().await);
    assert_ne!(first.message().position(), second.message().position());
}

pub(super) async fn deliveries_are_counted_if_at_all_from_one(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    let first = connection.next().await;
    let Some(count) = first.message().delivery_count() else { return };
    assert_eq!(count, 1);
    settle(&first, &Verdict::GivenBack).await;
    // Some brokers tell no more than that it is not the first one.
    let second = connection.next().await.message().delivery_count();
    assert!(matches!(second, None | Some(2)), "the second delivery has the number {second:?}");
}

pub(super) async fn no_more_is_received_than_there_is_room_for(fixture: Fixture) {
    fixture.publish("message-1", b"tea").await;
    fixture.publish("message-2", b"tea").await;
    let (mut full, mut free) = (fixture.connect().await, fixture.connect().await);
    let in_hand = full.next().await;
    let other = free.next_within(fixture.at_once()).await;
    let other = other.expect("the other message is left for somebody with room");
    assert_ne!(other.message().id(), in_hand.message().id());
}

pub(super) async fn a_dropped_wait_loses_nothing(fixture: Fixture) {
    let mut connection = fixture.connect().await;
    for _ in 0..3 {
        let nothing = connection.next_within(Duration::from_millis(20)).await;
        assert!(nothing.is_none(), "nothing was published");
    }
    fixture.publish(ID, b"tea").await;
    let delivery = connection.next_within(fixture.at_once()).await;
    assert!(delivery.is_some(), "the message was received and lost");
}

pub(super) async fn the_terms_tell_the_deadline(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    assert_eq!(connection.terms.deadline, Some(fixture.deadline()));
    assert_eq!(connection.next().await.deadline(), Some(fixture.deadline()));
}
