//! The values, each with a call that returns it.

use std::collections::{BTreeMap, HashMap};
use std::error::Error;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use idempotent_core::call::{CallOutcome, Memoizable};
use idempotent_core::{Error as Refusal, Idempotency, Operation};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Texts that become a `serde_json::Value`.
#[rustfmt::skip]
pub(crate) const JSON: &[&str] = &[
    "null", "true", "0", "-1", "18446744073709551615", "-9223372036854775808", "9007199254740993",
    "0.5", "19.9", "19.90", "1.99e1", "100.0", "1e2", "1E+2", "-0", "0.0", "-0.0", "1e22", "123456.789012345",
    "\"19.9\"", r#""é\u00e9""#, "[]", "{}", "[1,1.0,1.50]", r#"{"amount":19.9}"#, r#"{"amount":19.90}"#,
    r#"{"b":{"d":1,"c":[0.1,{"f":2,"e":3.5}]},"a":4}"#, r#"{"z":null,"y":"","x":[[]],"w":{"v":false}}"#,
    r#"{"10":1,"9":2,"1e1":3}"#, r#"[{"amount":1e-7},{"amount":2.5e10}]"#,
];

/// Texts that `serde_json` reads as another value in another build, or not at all.
#[rustfmt::skip]
pub(crate) const BODIES: &[&str] = &[
    "8.41e67", "7.1e-40", "123456789012345e-60", "18446744073709551616", "1e400", "0.1000000000000000055511151231257827",
    r#"{"a":1,"a":2}"#, r#"{"$serde_json::private::Number":"1"}"#, r#"{"$serde_json::private::RawValue":"1"}"#,
];

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Receipt {
    id: u64,
    total: f64,
    items: Vec<Item>,
    #[serde(flatten)]
    rest: BTreeMap<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Item {
    Book { price: f32, pages: Option<u16> },
    Other { details: Value },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Whole(i64),
    Fraction(f64),
    Any(Value),
}

/// Calls with every value. Each runs its body.
pub(crate) async fn write(engine: &Idempotency) -> Result<usize, Box<dyn Error>> {
    calls(engine, CallOutcome::Executed).await
}

/// Calls with every value. Each is replayed.
pub(crate) async fn read(engine: &Idempotency) -> Result<usize, Box<dyn Error>> {
    calls(engine, CallOutcome::Replayed).await
}

async fn calls(engine: &Idempotency, expected: CallOutcome) -> Result<usize, Box<dyn Error>> {
    let mut calls = Calls { engine, expected, count: 0 };
    for text in JSON {
        let value: Value = serde_json::from_str(text)?;
        calls.json(text, value).await?;
    }
    let rest = BTreeMap::from([
        ("tax".to_owned(), json!(0.19)),
        ("notes".to_owned(), json!({"b": 1, "a": [2.5]})),
    ]);
    let items = vec![
        Item::Book { price: 9.95, pages: Some(320) },
        Item::Other { details: json!({"weight": 0.75, "count": 3}) },
    ];
    calls.same("receipt", Receipt { id: u64::MAX, total: 19.9, items, rest }).await?;
    calls.same("number", serde_json::Number::from(7)).await?;
    calls.same("fraction", serde_json::Number::from_f64(0.25)).await?;
    calls
        .same(
            "map",
            serde_json::Map::from_iter([("b".to_owned(), json!(1)), ("a".to_owned(), json!(2))]),
        )
        .await?;
    calls
        .same(
            "untagged",
            vec![Untagged::Whole(-1), Untagged::Fraction(0.5), Untagged::Any(json!("x"))],
        )
        .await?;
    calls.same("wide", (u128::MAX, i128::MIN)).await?;
    calls.same("floats", [f64::MIN_POSITIVE, f64::MAX, f64::INFINITY, 0.1]).await?;
    calls.same("keys", HashMap::from([(1_u8, "one".to_owned()), (2, String::new())])).await?;
    calls
        .same("std", (Duration::MAX, IpAddr::V4(Ipv4Addr::LOCALHOST), 'é', Some(()).is_some()))
        .await?;
    calls
        .same(
            "values",
            HashMap::from([("a".to_owned(), json!([1, 2.5])), ("b".to_owned(), Value::Null)]),
        )
        .await?;
    Ok(calls.count)
}

struct Calls<'e> {
    engine: &'e Idempotency,
    expected: CallOutcome,
    count: usize,
}

impl Calls<'_> {
    /// A JSON value, whose numbers may have other digits in another build.
    async fn json(&mut self, name: &str, value: Value) -> Result<(), Box<dyn Error>> {
        let result = self.call(name, &value).await?;
        match is_same(&result, &value) {
            true => Ok(()),
            false => Err(format!("{name} is replayed as {result}").into()),
        }
    }

    async fn same<T>(&mut self, name: &str, value: T) -> Result<(), Box<dyn Error>>
    where
        T: Memoizable + Clone + PartialEq + std::fmt::Debug,
    {
        let result = self.call(name, &value).await?;
        match result == value {
            true => Ok(()),
            false => Err(format!("{name} is replayed as {result:?}").into()),
        }
    }

    async fn call<T>(&mut self, name: &str, value: &T) -> Result<T, Box<dyn Error>>
    where
        T: Memoizable + Clone + PartialEq + std::fmt::Debug,
    {
        let call = Operation::new("features").key(name).fingerprint(value).engine(self.engine);
        let call = call.returning::<Result<T, Refusal>>().compare_results();
        let (result, outcome) = call.run_with_outcome(|| async { Ok(value.clone()) }).await;
        let result = result.map_err(|error| format!("{name}: {error}"))?;
        if outcome != self.expected {
            return Err(format!("{name}: {outcome:?}").into());
        }
        self.count += 1;
        Ok(result)
    }
}

/// Whether two values mean the same: with `arbitrary_precision`, `19.90` is not equal to `19.9`.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            let integers = (one.as_u64(), other.as_u64());
            let differ = matches!(integers, (Some(one), Some(other)) if one != other);
            one.as_f64() == other.as_f64() && !differ
        }
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one.iter().zip(other).all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            let has_same = |(name, value): (&String, &Value)| {
                other.get(name).is_some_and(|other| is_same(value, other))
            };
            one.len() == other.len() && one.iter().all(has_same)
        }
        (one, other) => one == other,
    }
}
