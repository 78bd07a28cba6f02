//! Places and turns of messages, by a clock that stands still.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn ordering(concurrency: usize, deadline: Option<Duration>) -> Arc<Ordering> {
    Arc::new(Ordering::new(concurrency, deadline, Duration::ZERO))
}

fn enter(ordering: &Arc<Ordering>, position: &str) -> Place {
    ordering.enter(&Message::new(position, "orders", ""), "key".to_owned())
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_again_keeps_its_place_until_it_is_due_for_long() {
    let ordering = ordering(8, Some(SECOND * 4));
    let first = enter(&ordering, "1");
    assert_eq!(first.turn().await, Turn::Now);
    first.settled(&Verdict::Retry { after: SECOND * 5 }, true);
    let second = enter(&ordering, "2");
    assert_eq!(second.turn().await, Turn::After(SECOND * 5));
    second.settled(&Verdict::Busy { after: SECOND * 5 }, true);
    tokio::time::advance(SECOND * 6).await;
    let second = enter(&ordering, "2");
    assert_eq!(second.turn().await, Turn::After(SHORTEST_PAUSE));
    second.settled(&Verdict::Busy { after: SHORTEST_PAUSE }, true);
    let first = enter(&ordering, "1");
    assert_eq!(first.turn().await, Turn::Now);
    first.settled(&Verdict::Completed, true);
    let second = enter(&ordering, "2");
    assert_eq!(second.turn().await, Turn::Now);
    second.settled(&Verdict::Retry { after: SECOND }, true);
    // Another worker has it, it seems.
    tokio::time::advance(SECOND * 6).await;
    assert_eq!(enter(&ordering, "3").turn().await, Turn::Now);
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_in_hand_than_half_of_what_may_be_there() {
    let ordering = ordering(4, None);
    let places: Vec<_> = ["1", "2", "3", "4"].map(|it| enter(&ordering, it)).into();
    let turns = places.iter().skip(1).map(|place| timeout(SECOND / 2, place.turn()));
    let turns = futures_util::future::join_all(turns).await;
    assert!(turns[0].is_err() && turns[1].is_err());
    assert_eq!(turns[2], Ok(Turn::After(A_WHILE)));
    assert_eq!(ordering.keys().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_delivered_twice_keeps_its_place_until_both_have_ended() {
    let ordering = ordering(8, None);
    let (running, again) = (enter(&ordering, "1"), enter(&ordering, "1"));
    let next = enter(&ordering, "2");
    again.settled(&Verdict::Busy { after: SECOND }, true);
    assert!(timeout(SECOND * 5, next.turn()).await.is_err(), "the first one still runs");
    running.settled(&Verdict::Completed, true);
    assert_eq!(next.turn().await, Turn::Now);
}

#[tokio::test(start_paused = true)]
async fn a_message_of_which_the_broker_was_not_told_keeps_its_place_for_its_deadline() {
    for (verdict, confirmed) in [
        (Verdict::Left, true),
        (Verdict::Retry { after: SECOND }, false),
        (Verdict::GivenBack, false),
    ] {
        let ordering = ordering(8, Some(SECOND * 4));
        enter(&ordering, "1").settled(&verdict, confirmed);
        let next = enter(&ordering, "2");
        assert_eq!(next.turn().await, Turn::After(SECOND * 4), "{verdict:?}");
    }
    let dropped = ordering(8, Some(SECOND * 4));
    drop(enter(&dropped, "1"));
    assert_eq!(enter(&dropped, "2").turn().await, Turn::After(SECOND * 4));
}

#[tokio::test(start_paused = true)]
async fn a_pause_without_end_sticks_its_key_and_its_followers_ask_twice_a_minute() {
    let ordering = ordering(8, None);
    enter(&ordering, "1").settled(&Verdict::Retry { after: Duration::MAX }, true);
    for _ in 0..3 {
        let next = enter(&ordering, "2");
        assert_eq!(next.turn().await, Turn::After(LONGEST_PAUSE));
        next.settled(&Verdict::Busy { after: LONGEST_PAUSE }, true);
        tokio::time::advance(LONGEST_PAUSE).await;
    }
    let first = enter(&ordering, "1");
    assert_eq!(first.turn().await, Turn::Now);
}

#[tokio::test(start_paused = true)]
async fn the_longer_a_key_is_stuck_the_more_rarely_its_messages_come() {
    let ordering = ordering(1, None);
    let _running = enter(&ordering, "1");
    for (stuck, pause) in [(0, 1), (3, 3), (10, 13), (3600, 30)] {
        tokio::time::advance(SECOND * stuck).await;
        let next = enter(&ordering, "2");
        assert_eq!(next.turn().await, Turn::After(SECOND * pause));
        next.settled(&Verdict::Busy { after: SECOND * pause }, true);
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_of_keys_whose_messages_are_settled_or_do_not_come_again() {
    let ordering = ordering(4, None);
    enter(&ordering, "1").settled(&Verdict::Completed, true);
    assert!(ordering.keys().by_name.is_empty());
    for number in 0..SWEEP_EVERY - 2 {
        let place = ordering.enter(&Message::new("1", "orders", ""), format!("{number}"));
        place.settled(&Verdict::Retry { after: SECOND }, true);
    }
    assert_eq!(ordering.keys().by_name.len(), SWEEP_EVERY as usize - 2);
    tokio::time::advance(SECOND * 60).await;
    let _other = enter(&ordering, "2");
    assert_eq!(ordering.keys().by_name.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn of_a_stuck_key_the_next_one_alone_waits_in_hand_and_not_for_ever() {
    let ordering = ordering(64, None);
    let _running = enter(&ordering, "1");
    let [next, later] = ["2", "3"].map(|position| enter(&ordering, position));
    let began = Instant::now();
    let turns = futures_util::future::join(async { (next.turn().await, began.elapsed()) }, async {
        (later.turn().await, began.elapsed())
    });
    let turns = timeout(SECOND * 60, turns).await.expect("they do not wait for ever");
    let ((next, next_after), (later, later_after)) = turns;
    assert_eq!((later, later_after), (Turn::After(SLOW), SLOW));
    assert_eq!((next, next_after), (Turn::After(STUCK), STUCK));
    assert_eq!(ordering.keys().waiting, 0);
    let again = enter(&ordering, "2");
    assert_eq!(again.turn().await, Turn::After(STUCK), "it does not wait a second time");
}
