//! Looking: it changes nothing, and a scan to its end misses nothing.

use std::collections::{BTreeMap, HashSet};

use crate::record::{Guarantee, RecordId, Token};
use crate::store::{Entry, Scan, State};

use super::scene::{Scene, answered, fresh_id};
use super::subject::Lapsed;

/// A scan has more pages than this only if its cursors lead in a circle.
const MOST_PAGES: usize = 100_000;

/// An operation that nobody else uses.
fn fresh_operation() -> String {
    format!("contract::{}", Token::random())
}

/// Every record that a scan finds, to its end.
async fn found(at: &Scene, mut scan: Scan) -> BTreeMap<String, Entry> {
    let mut found = BTreeMap::new();
    for _ in 0..MOST_PAGES {
        let page = answered(at.store.scan(&scan).await);
        found.extend(page.entries.into_iter().map(|(id, entry)| (id.to_string(), entry)));
        match page.next {
            Some(cursor) => scan = scan.after(cursor),
            None => return found,
        }
    }
    panic!("the scan has no end");
}

fn ids<'a>(of: impl IntoIterator<Item = &'a RecordId>) -> HashSet<String> {
    of.into_iter().map(ToString::to_string).collect()
}

fn found_ids(found: &BTreeMap<String, Entry>) -> HashSet<String> {
    found.keys().cloned().collect()
}

pub(super) async fn looking_changes_nothing(at: Scene) {
    let look = || async {
        for _ in 0..3 {
            at.load().await;
            found(&at, Scan::all().operation(at.id.operation())).await;
        }
    };
    look().await;
    at.reserve(Guarantee::AtMostOnce).await;
    at.advance(at.lease() / 2).await;
    look().await;
    at.advance(at.lease() * 3 / 5).await;
    let entry = at.load().await.expect("the record stands");
    assert_eq!(entry.state, State::Indeterminate, "the lease has lapsed");
    at.advance(at.retention() / 2).await;
    look().await;
    at.advance(at.retention() / 2).await;
    let owner = at.is_vacant().await;
    at.record(&owner, b"result").await;
    at.advance(at.ttl() / 2).await;
    look().await;
    at.stands_completed(&owner, b"result").await;
    at.advance(at.ttl() * 3 / 5).await;
    at.is_vacant().await;
}

pub(super) async fn only_completed_records_that_stand_are_at_hand(at: Scene) {
    let at_hand = || at.store.at_hand(&at.id);
    assert!(at_hand().is_none(), "the id is vacant");
    let owner = at.reserve_once_more().await;
    assert!(at_hand().is_none(), "the call runs");
    at.record(&owner, b"result").await;
    at.advance(at.ttl() / 2).await;
    if let Some(entry) = at_hand() {
        assert_eq!(entry.state, State::Completed);
        assert_eq!(entry.record, owner.completed(b"result"));
        at.remains(&entry, at.ttl() / 2);
    }
    at.advance(at.ttl() * 3 / 5).await;
    assert!(at_hand().is_none(), "the ttl is over");
    let owner = at.is_vacant().await;
    at.record(&owner, b"result").await;
    at.purge().await;
    assert!(at_hand().is_none(), "it is purged");
}

pub(super) async fn a_scan_tells_each_record_as_load_does(at: Scene) {
    let at = at.with_id(fresh_id(&fresh_operation()));
    let lost = at.another();
    let lost_owner = lost.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    let done = at.another();
    let done_owner = done.reserve_once_more().await;
    done.record(&done_owner, b"result").await;
    let owner = at.reserve_once_more().await;
    let found = found(&at, Scan::all().operation(at.id.operation())).await;
    let told = |at: &Scene| {
        let entry = &found[&at.id.to_string()];
        (entry.state, entry.record.clone())
    };
    assert_eq!(told(&at), (State::Reserved, owner.reservation));
    assert_eq!(told(&lost), (State::Indeterminate, lost_owner.reservation));
    let completed = done_owner.completed(b"result");
    assert_eq!(told(&done), (State::Completed, completed));
    at.remains(&found[&at.id.to_string()], at.lease());
}

pub(super) async fn a_scan_of_the_unfinished_sees_what_runs_and_what_was_lost(at: Scene) {
    let operation = fresh_operation();
    let scene = || at.with_id(fresh_id(&operation));
    let (indeterminate, lapsed, running, completed) = (scene(), scene(), scene(), scene());
    indeterminate.reserve(Guarantee::AtMostOnce).await;
    lapsed.reserve(Guarantee::AtLeastOnce).await;
    at.lapse().await;
    running.reserve_once_more().await;
    let owner = completed.reserve_once_more().await;
    completed.record(&owner, b"result").await;
    let mut found = found_ids(&found(&at, Scan::unfinished().operation(&operation)).await);
    let saw_lapsed = found.remove(&lapsed.id.to_string());
    assert_eq!(found, ids([&indeterminate.id, &running.id]));
    match at.subject.lapsed() {
        Lapsed::Kept => assert!(saw_lapsed, "the subject says that it is kept"),
        Lapsed::Forgotten => assert!(!saw_lapsed, "the subject says that it is forgotten"),
        Lapsed::Either => {}
    }
}

pub(super) async fn a_scan_filters_by_state(at: Scene) {
    let operation = fresh_operation();
    let scene = || at.with_id(fresh_id(&operation));
    let (indeterminate, running, completed) = (scene(), scene(), scene());
    indeterminate.reserve(Guarantee::AtMostOnce).await;
    at.lapse().await;
    running.reserve_once_more().await;
    let owner = completed.reserve_once_more().await;
    completed.record(&owner, b"result").await;
    for (state, id) in [
        (State::Reserved, &running.id),
        (State::Indeterminate, &indeterminate.id),
        (State::Completed, &completed.id),
    ] {
        let mut scan = Scan::all().operation(&operation);
        scan.states = vec![state];
        assert_eq!(found_ids(&found(&at, scan).await), ids([id]), "{state:?}");
    }
}

pub(super) async fn a_scan_filters_by_the_whole_name_of_an_operation(at: Scene) {
    let operation = fresh_operation();
    let names = [
        operation.clone(),
        format!("{operation}:"),
        format!("{operation}::a"),
        format!("{operation}*"),
        format!("{operation}_%?[a]"),
    ];
    let scenes = names.map(|name| at.with_id(fresh_id(&name)));
    for scene in &scenes {
        scene.reserve_once_more().await;
    }
    for scene in &scenes {
        let scan = Scan::all().operation(scene.id.operation());
        assert_eq!(found_ids(&found(&at, scan).await), ids([&scene.id]));
    }
}

pub(super) async fn a_scan_without_filters_sees_every_operation(at: Scene) {
    let scenes = [(); 2].map(|()| at.with_id(fresh_id(&fresh_operation())));
    for scene in &scenes {
        scene.reserve_once_more().await;
    }
    let found = found_ids(&found(&at, Scan::all()).await);
    assert!(found.is_superset(&ids(scenes.iter().map(|scene| &scene.id))));
}

pub(super) async fn pages_lead_to_the_end_without_losing_a_record(at: Scene) {
    let operation = fresh_operation();
    let mut put = HashSet::new();
    for _ in 0..23 {
        let scene = at.with_id(fresh_id(&operation));
        scene.reserve_once_more().await;
        put.insert(scene.id.to_string());
    }
    for limit in [1, 5, 23, 1000] {
        let scan = Scan::all().operation(&operation).limit(limit);
        assert_eq!(found_ids(&found(&at, scan).await), put, "limit {limit}");
    }
}

/// A reconciliation job resolves what a page shows before it asks for the next one.
pub(super) async fn a_scan_misses_nothing_when_what_it_has_shown_goes_away(at: Scene) {
    let operation = fresh_operation();
    let mut unseen = HashSet::new();
    for _ in 0..12 {
        let scene = at.with_id(fresh_id(&operation));
        scene.reserve_once_more().await;
        unseen.insert(scene.id.to_string());
    }
    let mut scan = Scan::unfinished().operation(&operation).limit(3);
    for _ in 0..MOST_PAGES {
        let page = answered(at.store.scan(&scan).await);
        for (id, _) in page.entries {
            unseen.remove(&id.to_string());
            at.with_id(id).purge().await;
        }
        let Some(cursor) = page.next else { break };
        scan = scan.after(cursor);
    }
    assert!(unseen.is_empty(), "records that the scan missed: {unseen:?}");
}
