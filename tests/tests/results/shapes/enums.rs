//! Enums in serde's four representations.

use serde::{Deserialize, Serialize};

use super::{Tried, shape};

const GROUP: &str = "Enums";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Newtype(u8),
    Tuple(u8, String),
    Struct { id: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    Unit,
    Newtype(Inner),
    Struct { id: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    id: u8,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value")]
enum Adjacent {
    Unit,
    Newtype(u8),
    Tuple(u8, String),
    Struct { id: u8 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
    Struct { id: u8 },
    Null,
}

/// The first variant accepts what the second writes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Ambiguous {
    Any { id: u8 },
    Named { id: u8, name: String },
}

/// A tag with the name of a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Clash {
    Card(Card),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Card {
    kind: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum WithOther {
    Known,
    #[serde(other)]
    Other,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Unwritable {
    Written,
    #[serde(skip_serializing)]
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Unreadable {
    Read,
    #[serde(skip_deserializing)]
    Skipped,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Renamed {
    #[serde(rename(serialize = "done"))]
    Done,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Cased {
    InProgress,
}

pub(super) fn shapes() -> Vec<Tried> {
    let text = || "x".to_owned();
    let external = vec![
        External::Unit,
        External::Newtype(1),
        External::Tuple(1, text()),
        External::Struct { id: 1 },
    ];
    let internal =
        vec![Internal::Unit, Internal::Newtype(Inner { id: 1 }), Internal::Struct { id: 1 }];
    let adjacent = vec![
        Adjacent::Unit,
        Adjacent::Newtype(1),
        Adjacent::Tuple(1, text()),
        Adjacent::Struct { id: 1 },
    ];
    let untagged = vec![
        Untagged::Number(-1),
        Untagged::Text(text()),
        Untagged::Struct { id: 1 },
        Untagged::Null,
    ];
    vec![
        shape(GROUP, "externally tagged", external),
        shape(GROUP, "internally tagged", internal),
        shape(GROUP, "adjacently tagged", adjacent),
        shape(GROUP, "untagged", untagged),
        shape(
            GROUP,
            "untagged, and an earlier variant accepts what a later one writes",
            Ambiguous::Named { id: 1, name: text() },
        ),
        shape(
            GROUP,
            "internally tagged, and a field has the name of the tag",
            Clash::Card(Card { kind: text() }),
        ),
        shape(GROUP, "`rename_all` on both sides", Cased::InProgress),
        shape(GROUP, "`other`", WithOther::Other),
        shape(GROUP, "`rename(serialize = …)` on a variant", Renamed::Done),
        shape(GROUP, "`skip_serializing` on a variant", Unwritable::Skipped),
        shape(GROUP, "`skip_deserializing` on a variant", Unreadable::Skipped),
        shape(GROUP, "`Result`", (Ok::<u8, String>(1), Err::<u8, String>(text()))),
    ]
}
