//! Looking: it changes nothing, and a complete scan misses nothing.

use std::collections::{BTreeMap, HashSet};

use crate::model::{Guarantee, RecordId, Token};
use crate::store::{Entry, HashPrefix, Scan, State, StoreErrorKind};

use super::fixture::{AN_HOUR, Fixture, expect_answer, fresh_id};
use super::subject::Lapsed;

/// A scan that has more pages than this never ends.
const MAX_PAGES: usize = 100_000;

/// A unique operation.
fn fresh_operation() -> String {
    format!("contract::{}", Token::random())
}

/// All records that a scan finds.
async fn found(fixture: &Fixture, mut scan: Scan) -> BTreeMap<String, Entry> {
    let mut found = BTreeMap::new();
    for _ in 0..MAX_PAGES {
        let page = expect_answer(fixture.store.scan(&scan).await);
        found.extend(page.entries.into_iter().map(|(id, entry)| (id.to_string(), entry)));
        match page.next {
            Some(cursor) => scan = scan.after(cursor),
            None => return found,
        }
    }
    panic!("the scan has no end");
}

/// The ids of all that a scan finds and cannot read.
async fn unreadable(fixture: &Fixture, mut scan: Scan) -> HashSet<String> {
    let mut unreadable = HashSet::new();
    for _ in 0..MAX_PAGES {
        let page = expect_answer(fixture.store.scan(&scan).await);
        let ids = page.unreadable.into_iter().filter_map(|unreadable| unreadable.id);
        unreadable.extend(ids.map(|id| id.to_string()));
        match page.next {
            Some(cursor) => scan = scan.after(cursor),
            None => return unreadable,
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

pub(super) async fn looking_changes_nothing(fixture: Fixture) {
    let look = || async {
        for _ in 0..3 {
            fixture.load().await;
            found(&fixture, Scan::all().operation(fixture.id.operation())).await;
        }
    };
    look().await;
    fixture.reserve(Guarantee::AtMostOnce).await;
    fixture.advance(fixture.lease() / 2).await;
    look().await;
    fixture.advance(fixture.lease() * 3 / 5).await;
    let entry = fixture.load().await.expect("the record exists");
    assert_eq!(entry.state, State::Indeterminate, "the lease has lapsed");
    fixture.advance(fixture.retention() / 2).await;
    look().await;
    fixture.advance(fixture.retention() / 2).await;
    let owner = fixture.assert_vacant().await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture.advance(fixture.ttl() / 2).await;
    look().await;
    fixture.assert_completed(&owner, b"result").await;
    fixture.advance(fixture.ttl() * 3 / 5).await;
    fixture.assert_vacant().await;
}

pub(super) async fn only_completed_records_are_answered_locally(fixture: Fixture) {
    let local = || fixture.store.local().and_then(|local| local.completed(&fixture.id));
    assert!(local().is_none(), "the id is vacant");
    let owner = fixture.reserve_at_least_once().await;
    assert!(local().is_none(), "the call runs");
    fixture.expect_recorded(&owner, b"result").await;
    fixture.advance(fixture.ttl() / 2).await;
    if let Some(entry) = local() {
        assert_eq!(entry.state, State::Completed);
        assert_eq!(entry.record, owner.completed(b"result"));
        fixture.assert_remaining(&entry, fixture.ttl() / 2);
    }
    fixture.advance(fixture.ttl() * 3 / 5).await;
    assert!(local().is_none(), "the ttl is over");
    let owner = fixture.assert_vacant().await;
    fixture.expect_recorded(&owner, b"result").await;
    fixture.purge().await;
    assert!(local().is_none(), "it is purged");
}

pub(super) async fn a_scan_tells_each_record_as_load_does(fixture: Fixture) {
    let fixture = fixture.with_id(fresh_id(&fresh_operation()));
    let lost = fixture.with_fresh_id();
    let lost_owner = lost.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    let done = fixture.with_fresh_id();
    let done_owner = done.reserve_at_least_once().await;
    done.expect_recorded(&done_owner, b"result").await;
    let owner = fixture.reserve_for_an_hour().await;
    let found = found(&fixture, Scan::all().operation(fixture.id.operation())).await;
    let id = fixture.id.to_string();
    let (_, digits) = id.rsplit_once(':').expect("a name and a hash");
    for length in [1, 8, 9, 64] {
        let prefix = HashPrefix::new(&digits[..length]).expect("digits");
        let scan = Scan::all().operation(fixture.id.operation()).hash_prefix(prefix);
        let begin_so = self::found(&fixture, scan).await;
        assert!(begin_so.contains_key(&id), "by its first {length} digits");
    }
    let told = |fixture: &Fixture| {
        let entry = &found[&fixture.id.to_string()];
        (entry.state, entry.record.clone())
    };
    assert_eq!(told(&fixture), (State::Reserved, owner.reservation));
    assert_eq!(told(&lost), (State::Indeterminate, lost_owner.reservation));
    let completed = done_owner.completed(b"result");
    assert_eq!(told(&done), (State::Completed, completed));
    fixture.assert_remaining(&found[&fixture.id.to_string()], AN_HOUR);
}

pub(super) async fn a_scan_of_the_unfinished_sees_what_runs_and_what_was_lost(fixture: Fixture) {
    let operation = fresh_operation();
    let new_id = || fixture.with_id(fresh_id(&operation));
    let (indeterminate, lapsed, running, completed) = (new_id(), new_id(), new_id(), new_id());
    indeterminate.reserve(Guarantee::AtMostOnce).await;
    lapsed.reserve(Guarantee::AtLeastOnce).await;
    fixture.let_lease_expire().await;
    running.reserve_for_an_hour().await;
    let owner = completed.reserve_for_an_hour().await;
    completed.expect_recorded(&owner, b"result").await;
    let mut found = found_ids(&found(&fixture, Scan::unfinished().operation(&operation)).await);
    let saw_lapsed = found.remove(&lapsed.id.to_string());
    assert_eq!(found, ids([&indeterminate.id, &running.id]));
    match fixture.subject.lapsed() {
        Lapsed::Kept => assert!(saw_lapsed, "the subject says that it is kept"),
        Lapsed::Forgotten => assert!(!saw_lapsed, "the subject says that it is forgotten"),
        Lapsed::Either => {}
    }
}

pub(super) async fn a_scan_filters_by_state(fixture: Fixture) {
    let operation = fresh_operation();
    let new_id = || fixture.with_id(fresh_id(&operation));
    let (indeterminate, running, completed) = (new_id(), new_id(), new_id());
    indeterminate.reserve(Guarantee::AtMostOnce).await;
    fixture.let_lease_expire().await;
    running.reserve_for_an_hour().await;
    let owner = completed.reserve_for_an_hour().await;
    completed.expect_recorded(&owner, b"result").await;
    for (state, id) in [
        (State::Reserved, &running.id),
        (State::Indeterminate, &indeterminate.id),
        (State::Completed, &completed.id),
    ] {
        let mut scan = Scan::all().operation(&operation);
        scan.states = vec![state];
        assert_eq!(found_ids(&found(&fixture, scan).await), ids([id]), "{state:?}");
    }
}

pub(super) async fn a_scan_filters_by_the_whole_name_of_an_operation(fixture: Fixture) {
    let operation = fresh_operation();
    let names = [
        operation.clone(),
        format!("{operation}:"),
        format!("{operation}::a"),
        format!("{operation}*"),
        format!("{operation}_%?[a]"),
    ];
    let fixtures = names.map(|name| fixture.with_id(fresh_id(&name)));
    for fixture in &fixtures {
        fixture.reserve_for_an_hour().await;
    }
    for fixture in &fixtures {
        let scan = Scan::all().operation(fixture.id.operation());
        assert_eq!(found_ids(&found(fixture, scan).await), ids([&fixture.id]));
    }
}

pub(super) async fn a_scan_without_filters_sees_every_operation(fixture: Fixture) {
    let fixtures = [(); 2].map(|()| fixture.with_id(fresh_id(&fresh_operation())));
    for fixture in &fixtures {
        fixture.reserve_for_an_hour().await;
    }
    let found = found_ids(&found(&fixture, Scan::all()).await);
    assert!(found.is_superset(&ids(fixtures.iter().map(|fixture| &fixture.id))));
}

pub(super) async fn pages_lead_to_the_end_without_losing_a_record(fixture: Fixture) {
    let operation = fresh_operation();
    let mut put = HashSet::new();
    for _ in 0..23 {
        let fixture = fixture.with_id(fresh_id(&operation));
        fixture.reserve_for_an_hour().await;
        put.insert(fixture.id.to_string());
    }
    for limit in [1, 5, 23, 1000] {
        let scan = Scan::all().operation(&operation).limit(limit);
        assert_eq!(found_ids(&found(&fixture, scan).await), put, "limit {limit}");
    }
}

/// A reconciliation job resolves the records of a page before it asks for the next one.
pub(super) async fn a_scan_misses_nothing_when_what_it_has_shown_goes_away(fixture: Fixture) {
    let operation = fresh_operation();
    let mut unseen = HashSet::new();
    for _ in 0..12 {
        let fixture = fixture.with_id(fresh_id(&operation));
        fixture.reserve_for_an_hour().await;
        unseen.insert(fixture.id.to_string());
    }
    let mut scan = Scan::unfinished().operation(&operation).limit(3);
    for _ in 0..MAX_PAGES {
        let page = expect_answer(fixture.store.scan(&scan).await);
        for (id, _) in page.entries {
            unseen.remove(&id.to_string());
            fixture.with_id(id).purge().await;
        }
        let Some(cursor) = page.next else { break };
        scan = scan.after(cursor);
    }
    assert!(unseen.is_empty(), "records that the scan missed: {unseen:?}");
}

pub(super) async fn a_scan_tells_what_it_cannot_read_and_a_purge_removes_it(fixture: Fixture) {
    let fixture = fixture.with_id(fresh_id(&fresh_operation()));
    let other = fixture.with_fresh_id();
    fixture.reserve_for_an_hour().await;
    other.reserve_for_an_hour().await;
    if !fixture.subject.garble(&fixture.id).await {
        return;
    }
    let error = fixture.store.load(&fixture.id).await.expect_err("it is no record any more");
    assert_eq!(error.kind(), StoreErrorKind::Malformed, "{error:?}");
    let scan = Scan::all().operation(fixture.id.operation());
    assert_eq!(found_ids(&found(&fixture, scan.clone()).await), ids([&other.id]));
    assert_eq!(unreadable(&fixture, scan.clone()).await, ids([&fixture.id]));
    assert!(fixture.purge().await, "there is something to purge");
    assert!(unreadable(&fixture, scan).await.is_empty(), "it was purged");
    fixture.assert_vacant().await;
}
