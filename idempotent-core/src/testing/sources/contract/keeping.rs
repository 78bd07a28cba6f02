//! Deadlines, and keeping deliveries alive.

use tokio::time::Instant;

use super::fixture::{Fixture, ID, settle};
use crate::consumer::Verdict;

pub(super) async fn a_message_that_nobody_settles_is_delivered_again(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    let before = Instant::now();
    drop(connection.next().await);
    connection.next().await;
    fixture.assert_since(before, fixture.deadline());
}

pub(super) async fn a_message_that_is_left_is_delivered_again(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    let before = Instant::now();
    settle(&connection.next().await, &Verdict::Left).await;
    connection.next().await;
    fixture.assert_since(before, fixture.deadline());
}

pub(super) async fn a_message_that_is_kept_alive_is_not_delivered_again(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let (mut keeping, mut waiting) = (fixture.connect().await, fixture.connect().await);
    let delivery = keeping.next().await;
    let other = async { waiting.next_within(fixture.deadline() * 3).await };
    let kept = async {
        for _ in 0..12 {
            fixture.pass(0.25).await;
            delivery.keep_alive().await.expect("the broker is told");
        }
    };
    // In this order: after the machine has stood still, the broker is told before it is asked.
    let ((), other) = futures_util::future::join(kept, other).await;
    assert!(other.is_none(), "it was delivered to another consumer");
    settle(&delivery, &Verdict::Completed).await;
}

pub(super) async fn keeping_alive_after_a_verdict_does_not_undo_it(fixture: Fixture) {
    fixture.publish(ID, b"tea").await;
    let mut connection = fixture.connect().await;
    let delivery = connection.next().await;
    let told = Instant::now();
    settle(&delivery, &Verdict::Retry { after: fixture.deadline() * 4 }).await;
    let _ = delivery.keep_alive().await;
    connection.next().await;
    // Undone, it comes at once or after one deadline. That the whole pause is kept is another case.
    fixture.assert_since(told, fixture.deadline().mul_f64(1.5));
}
