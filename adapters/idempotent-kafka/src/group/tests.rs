use idempotent_core::consumer::Message;
use rdkafka::message::OwnedHeaders;

use super::*;

fn place(partition: i32) -> Place {
    ("orders".into(), partition)
}

fn received() -> Received {
    Received {
        message: Message::new("7", "orders", "tea"),
        key: None,
        headers: OwnedHeaders::new(),
        is_tombstone: false,
        due: None,
        is_copy: false,
        fault: None,
        place: String::new(),
    }
}

fn with(partitions: &[i32], messages: i64) -> Group {
    let group = Group::new(true, 4);
    for partition in partitions {
        group.assign(place(*partition));
        for offset in 0..messages {
            group.receive(&place(*partition), offset, received());
        }
    }
    group
}

fn taken(group: &Group) -> Handle {
    group.take(1).unwrap().expect("a message is ready").handle
}

#[test]
fn partitions_are_handed_out_in_turn() {
    let group = with(&[0, 1, 2], 3);
    let places: Vec<i32> = (0..6).map(|_| taken(&group).place.1).collect();
    assert_eq!(places, [0, 1, 2, 0, 1, 2]);
}

#[test]
fn results_of_an_earlier_assignment_commit_nothing_though_the_partition_has_come_back() {
    let group = with(&[0], 2);
    let old = taken(&group);
    group.revoke(&[place(0)]);
    assert_eq!(group.finish(&old), Err(Revoked));
    group.assign(place(0));
    group.receive(&place(0), 0, received());
    assert_eq!(
        (group.finish(&old), group.hold(&old, Duration::ZERO)),
        (Err(Revoked), Err(Revoked))
    );
    assert!(group.to_commit().is_empty());
    let new = taken(&group);
    group.finish(&new).unwrap();
    assert_eq!(group.to_commit().len(), 1);
}

#[test]
fn a_late_confirmation_of_an_earlier_assignment_counts_for_nothing() {
    let group = with(&[0], 1);
    group.finish(&taken(&group)).unwrap();
    let commits = group.to_commit();
    group.revoke(&[place(0)]);
    group.assign(place(0));
    group.receive(&place(0), 0, received());
    group.finish(&taken(&group)).unwrap();
    group.committed(&commits);
    assert_eq!(group.to_commit().len(), 1);
}

#[test]
fn no_more_is_received_than_is_wanted_or_than_a_partition_may_be_ahead() {
    let group = with(&[0, 1], 0);
    assert_eq!(group.room(), 0, "nobody waits");
    assert!(group.take(2).unwrap().is_none());
    assert_eq!(group.room(), 2);
    group.receive(&place(0), 0, received());
    group.receive(&place(0), 1, received());
    assert_eq!(group.room(), 0, "two are ready");
    let stuck = taken(&group);
    for offset in 2..4 {
        group.receive(&place(0), offset, received());
    }
    for _ in 0..3 {
        group.finish(&taken(&group)).unwrap();
    }
    assert!(!group.may_receive(&place(0)), "it is four ahead of the lowest that is unfinished");
    assert!(group.may_receive(&place(1)), "another partition may");
    group.finish(&stuck).unwrap();
    assert!(group.may_receive(&place(0)));
}

#[test]
fn deliveries_are_counted_of_messages_that_were_nobody_elses_before() {
    let group = with(&[0], 1);
    let epoch = group.assign(place(0));
    group.receive(&place(0), 0, received());
    group.ended(&place(0), epoch, 1);
    group.receive(&place(0), 1, received());
    let copy = Received { is_copy: true, ..received() };
    group.receive(&place(0), 2, copy);
    let taken = [1; 3].map(|room| group.take(room).unwrap().unwrap());
    assert_eq!(taken.each_ref().map(|taken| taken.delivery_count), [None, Some(1), None]);
    group.hold(&taken[1].handle, Duration::ZERO).unwrap();
    assert_eq!(group.take(1).unwrap().unwrap().delivery_count, Some(2));
}

#[test]
fn where_a_partition_ended_counts_for_the_assignment_that_has_asked() {
    let group = with(&[], 0);
    let old = group.assign(place(0));
    group.assign(place(0));
    group.ended(&place(0), old, 0);
    group.receive(&place(0), 0, received());
    assert_eq!(group.take(1).unwrap().unwrap().delivery_count, None);
}

#[test]
fn what_is_gone_stays_gone_and_an_outage_is_told_once() {
    let group = with(&[0], 0);
    let kind = || group.take(1).map(|taken| taken.is_some()).map_err(|error| error.kind());
    group.fail(SourceError::unavailable("it is away"));
    assert_eq!((kind(), kind()), (Err(SourceErrorKind::Unavailable), Ok(false)));
    group.fail(SourceError::gone("it is deleted"));
    group.fail(SourceError::unavailable("it is away"));
    for _ in 0..2 {
        let error = group.take(1).map(drop).unwrap_err();
        assert_eq!(error.kind(), SourceErrorKind::Gone);
        assert!(error.to_string().ends_with("it is deleted"), "{error}");
    }
}
