//! Options, and what is nothing.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Tried, shape};

const GROUP: &str = "Options";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Plain {
    note: Option<String>,
    missing: Option<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Json {
    note: Option<Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Omitted {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Patch {
    #[serde(default, skip_serializing_if = "Option::is_none", with = "doubled")]
    note: Option<Option<String>>,
}

/// The usual way to tell a missing field from one that is null.
mod doubled {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(
        note: &Option<Option<String>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        note.as_ref().unwrap_or(&None).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        input: D,
    ) -> Result<Option<Option<String>>, D::Error> {
        Option::deserialize(input).map(Some)
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Wide {
    #[serde(flatten)]
    amount: Option<Amount>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Amount {
    cents: u128,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Optional {
    #[serde(flatten)]
    address: Option<Address>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Address {
    street: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Required {
    #[serde(flatten)]
    place: Option<Place>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Place {
    city: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct UnitStruct;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Optionless(Option<u8>);

pub(super) fn shapes() -> Vec<Tried> {
    let some = || Some("x".to_owned());
    vec![
        shape(GROUP, "`Some`, `None`", Plain { note: some(), missing: None }),
        shape(GROUP, "options in sequences and maps", vec![None, Some(0), Some(1)]),
        shape(
            GROUP,
            "`Some(Some(value))`, `None` of a nested option",
            (Some(Some(1)), None::<Option<u8>>),
        ),
        shape(GROUP, "`Some(None)`", Some(None::<u8>)),
        shape(GROUP, "`Some(())`", Some(())),
        shape(GROUP, "`Some` of a unit struct", Some(UnitStruct)),
        shape(GROUP, "`Some` of a newtype of `None`", Some(Optionless(None))),
        shape(
            GROUP,
            "`Some(serde_json::Value)` that is not null",
            Json { note: Some(Value::from(1)) },
        ),
        shape(GROUP, "`Some(serde_json::Value::Null)`", Json { note: Some(Value::Null) }),
        shape(
            GROUP,
            "`skip_serializing_if = \"Option::is_none\"`",
            (Omitted { note: some() }, Omitted { note: None }),
        ),
        shape(
            GROUP,
            "`Option<Option<T>>` with a `with` that tells null from missing",
            (Patch { note: None }, Patch { note: Some(None) }, Patch { note: Some(some()) }),
        ),
        shape(
            GROUP,
            "`flatten` over `Some` of a struct",
            Required { place: Some(Place { city: "x".to_owned() }) },
        ),
        shape(
            GROUP,
            "`flatten` over `None` of a struct with a required field",
            Required { place: None },
        ),
        shape(
            GROUP,
            "`flatten` over `None` of a struct whose fields are all optional",
            Optional { address: None },
        ),
        shape(
            GROUP,
            "`flatten` over an `Option` with a 128-bit integer",
            Wide { amount: Some(Amount { cents: 5 }) },
        ),
    ]
}
