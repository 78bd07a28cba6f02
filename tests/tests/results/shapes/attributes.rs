//! Attributes of fields and containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Tried, shape};

const GROUP: &str = "Attributes";

macro_rules! structs {
    ($($(#[$of_struct:meta])* $name:ident { $($(#[$of_field:meta])* $field:ident: $type:ty),* $(,)? })*) => {$(
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        $(#[$of_struct])*
        struct $name { $($(#[$of_field])* $field: $type),* }
    )*};
}

structs! {
    Renamed { #[serde(rename = "ß", alias = "old")] total: u8 }
    #[serde(rename_all = "camelCase")]
    Cased { order_total: u8 }
    #[serde(rename_all(serialize = "camelCase"))]
    OneSided { order_total: u8 }
    #[serde(default)]
    Defaulted { total: u8 }
    #[serde(deny_unknown_fields)]
    Strict { total: u8 }
    #[serde(transparent)]
    Transparent { total: u8 }
    #[serde(into = "u8", from = "u8")]
    Converted { total: u8 }
    #[serde(into = "u8", from = "u8")]
    Rounded { total: u8 }
    Skipped { #[serde(skip)] total: u8 }
    SkippedOption { #[serde(skip_serializing)] total: Option<u8> }
    Unwritten { id: u8, #[serde(skip_serializing)] total: String }
    UnwrittenDefault { #[serde(skip_serializing, default)] total: u8 }
    Unread { #[serde(skip_deserializing)] total: u8 }
    Conditional { #[serde(skip_serializing_if = "Vec::is_empty", default)] items: Vec<u8> }
    Undefaulted { id: u8, #[serde(skip_serializing_if = "Vec::is_empty")] items: Vec<u8> }
    OtherDefault { #[serde(skip_serializing_if = "is_zero", default = "seven")] total: u8 }
    Masked { #[serde(serialize_with = "mask")] card: String }
    Changed { #[serde(deserialize_with = "twice")] total: u8 }
    Flat { id: u8, #[serde(flatten)] rest: BTreeMap<String, u8> }
    FlatStruct { id: u8, #[serde(flatten)] inner: Strict }
    FlatClash { id: u8, #[serde(flatten)] inner: Identified }
    Identified { id: u8 }
    Nested { list: Vec<Skipped> }
    #[serde(tag = "type")]
    TaggedStruct { total: u8 }
}

impl From<Converted> for u8 {
    fn from(converted: Converted) -> Self {
        converted.total
    }
}

impl From<u8> for Converted {
    fn from(total: u8) -> Self {
        Self { total }
    }
}

impl From<Rounded> for u8 {
    fn from(rounded: Rounded) -> Self {
        rounded.total / 10
    }
}

impl From<u8> for Rounded {
    fn from(tens: u8) -> Self {
        Self { total: tens * 10 }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "it is what serde passes")]
fn is_zero(total: &u8) -> bool {
    *total == 0
}

fn seven() -> u8 {
    7
}

fn mask<S: Serializer>(card: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&"*".repeat(card.len()))
}

fn twice<'de, D: Deserializer<'de>>(input: D) -> Result<u8, D::Error> {
    u8::deserialize(input).map(|total| total * 2)
}

pub(super) fn shapes() -> Vec<Tried> {
    let total = 1;
    vec![
        shape(GROUP, "`rename`, `alias`", Renamed { total }),
        shape(GROUP, "`rename_all` for both sides", Cased { order_total: 1 }),
        shape(GROUP, "`rename_all(serialize = …)`", OneSided { order_total: 1 }),
        shape(GROUP, "`default`", Defaulted { total }),
        shape(GROUP, "`deny_unknown_fields`", Strict { total }),
        shape(GROUP, "`transparent`", Transparent { total }),
        shape(GROUP, "`tag` on a struct", TaggedStruct { total }),
        shape(GROUP, "`into` and `from` that undo each other", Converted { total }),
        shape(GROUP, "`into` that loses something", Rounded { total: 19 }),
        shape(GROUP, "`skip`", Skipped { total }),
        shape(GROUP, "`skip`, with the default as its value", Skipped { total: 0 }),
        shape(
            GROUP,
            "`skip` deep inside",
            Nested { list: vec![Skipped { total: 0 }, Skipped { total }] },
        ),
        shape(GROUP, "`skip_serializing` on an `Option`", SkippedOption { total: Some(1) }),
        shape(
            GROUP,
            "`skip_serializing` on a `String`",
            Unwritten { id: 1, total: "x".to_owned() },
        ),
        shape(GROUP, "`skip_serializing` with `default`", UnwrittenDefault { total }),
        shape(GROUP, "`skip_deserializing`", Unread { total }),
        shape(
            GROUP,
            "`skip_serializing_if` with `default`",
            (Conditional { items: vec![] }, Conditional { items: vec![1] }),
        ),
        shape(
            GROUP,
            "`skip_serializing_if` without `default`",
            Undefaulted { id: 1, items: vec![] },
        ),
        shape(GROUP, "`skip_serializing_if` with another default", OtherDefault { total: 0 }),
        shape(GROUP, "`serialize_with` that masks", Masked { card: "4111".to_owned() }),
        shape(GROUP, "`deserialize_with` that changes", Changed { total }),
        shape(GROUP, "`flatten` over a map", Flat { id: 1, rest: [("a".to_owned(), 1)].into() }),
        shape(
            GROUP,
            "`flatten` over a map that has the name of a field",
            Flat { id: 1, rest: [("id".to_owned(), 2)].into() },
        ),
        shape(GROUP, "`flatten` over a struct", FlatStruct { id: 1, inner: Strict { total } }),
        shape(
            GROUP,
            "`flatten` over a struct that has the name of a field",
            FlatClash { id: 1, inner: Identified { id: 2 } },
        ),
    ]
}
