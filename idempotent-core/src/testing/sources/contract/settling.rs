//! What a verdict does.

use tokio::time::Instant;

use super::fixture::{Fixture, ID, parked, settle};
use crate::consumer::Verdict;

pub(super) async fn a_completed_message_is_not_delivered_again(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    settle(&connection.next().await, &Verdict::Completed).await;
    assert!(connection.next_within(fixture.deadline() * 2).await.is_none());
}

pub(super) async fn a_verdict_may_be_repeated(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let delivery = fixture.connect().await.next().await;
    settle(&delivery, &Verdict::Completed).await;
    settle(&delivery, &Verdict::Completed).await;
}

pub(super) async fn a_retry_comes_after_its_pause(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    let delivery = connection.next().await;
    let (pause, told) = (fixture.deadline() * 4, Instant::now());
    settle(&delivery, &Verdict::Retry { after: pause }).await;
    connection.next().await;
    fixture.assert_since(told, pause);
}

pub(super) async fn a_busy_message_comes_after_its_pause(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    let delivery = connection.next().await;
    let (pause, told) = (fixture.deadline() * 4, Instant::now());
    settle(&delivery, &Verdict::Busy { after: pause }).await;
    connection.next().await;
    fixture.assert_since(told, pause);
}

pub(super) async fn a_message_that_is_given_back_is_delivered_at_once(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let (mut giving, mut taking) = (fixture.connect().await, fixture.connect().await);
    settle(&giving.next().await, &Verdict::GivenBack).await;
    let next = if fixture.keeps_to_one_connection() { &mut giving } else { &mut taking };
    let delivery = next.next_within(fixture.at_once()).await;
    assert!(delivery.is_some(), "it is delivered only after its deadline");
}

pub(super) async fn a_parked_message_is_kept_under_its_id(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let delivery = fixture.connect().await.next().await;
    settle(&delivery, &parked()).await;
    assert_eq!(fixture.parked().await, [(ID.to_owned(), b"tea".to_vec())]);
}

pub(super) async fn a_parked_message_is_not_delivered_again(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    settle(&connection.next().await, &parked()).await;
    assert!(connection.next_within(fixture.deadline() * 2).await.is_none());
}

pub(super) async fn every_copy_of_a_parked_message_has_its_id(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let delivery = fixture.connect().await.next().await;
    settle(&delivery, &parked()).await;
    // As after a confirmation that was lost.
    settle(&delivery, &parked()).await;
    let parked = fixture.parked().await;
    assert!(parked.len() <= 2, "there are {} copies", parked.len());
    assert!(parked.iter().all(|(id, _)| id == ID), "a copy has another id");
}
