//! `testing::survives`, for tests of one's own types.

use std::collections::BTreeMap;

use idempotent_core::testing::{encoding_survives, survives};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    items: Vec<Item>,
    notes: BTreeMap<String, Option<Option<u8>>>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Item {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tags: Vec<String>,
    #[serde(flatten)]
    size: Option<Size>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Size {
    length: Option<u8>,
}

fn order() -> Order {
    let item = || Item { tags: vec!["x".to_owned()], size: Some(Size { length: Some(1) }) };
    let notes = BTreeMap::from([("gift".to_owned(), Some(Some(1)))]);
    Order { items: vec![item(), item()], notes }
}

/// The explanation for a value that does not survive.
fn lost(order: &Order) -> String {
    survives(order).unwrap_err().to_string()
}

#[test]
fn a_value_that_survives_is_ok() {
    survives(&order()).unwrap();
    survives(&(1, "x", Some(2.5)).0).unwrap();
}

#[test]
fn a_missing_field_is_named_with_its_place() {
    let mut order = order();
    order.items[1].tags.clear();
    assert_eq!(lost(&order), "`items[1].tags` cannot be read back: it is missing");
}

#[test]
fn a_field_that_comes_back_different_is_named_with_its_place() {
    let mut order = order();
    order.items[1].size = None;
    assert_eq!(lost(&order), "`items[1].length` is read back as another value");
}

#[test]
fn a_field_that_is_encoded_alike_is_named_if_debug_shows_it() {
    let mut order = order();
    order.notes.insert("gift".to_owned(), Some(None));
    let mismatch = survives(&order).unwrap_err();
    assert_eq!(mismatch.field(), Some("notes"), "{mismatch}");
}

#[test]
fn a_field_that_cannot_be_encoded_is_named_with_its_place() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Holder {
        before: u8,
        list: Vec<Fails>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    struct Fails;
    impl Serialize for Fails {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no"))
        }
    }
    let lost = survives(&Holder { before: 1, list: vec![Fails] }).unwrap_err();
    assert_eq!(lost.to_string(), "`list[0]` cannot be encoded: no");
}

#[test]
fn a_type_without_equality_is_compared_by_its_encoding() {
    #[derive(Serialize, Deserialize)]
    struct Sized {
        #[serde(flatten)]
        size: Option<Size>,
    }
    encoding_survives(&Sized { size: Some(Size { length: None }) }).unwrap();
    let lost = encoding_survives(&Sized { size: None }).unwrap_err();
    assert_eq!(lost.field(), Some("length"));
}
