//! Numbers of `serde_json` as they are with its feature `arbitrary_precision`, which some crate of a
//! program may switch on. `tests/features` does so for real.

use idempotent_core::testing::survives;
use idempotent_core::{Error, ErrorKind, Operation};
use idempotent_tests::engine;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Value, json};

const TOKEN: &str = "$serde_json::private::Number";

/// Encodes as `serde_json::Number` does with the feature, and decodes as it does without.
#[derive(Clone, Debug)]
struct Number(Value);

impl Number {
    fn text(&self) -> String {
        self.0.as_str().map_or_else(|| self.0.to_string(), str::to_owned)
    }
}

impl Serialize for Number {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut number = serializer.serialize_struct(TOKEN, 1)?;
        number.serialize_field(TOKEN, &self.text())?;
        number.end()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        Value::deserialize(input).map(Self)
    }
}

/// By its digits, as `serde_json` compares with the feature.
impl PartialEq for Number {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

fn number(text: &str) -> Number {
    Number(Value::from(text))
}

/// What a process without the feature reads of a number.
async fn carried(text: &str) -> Result<Value, Error> {
    let engine = engine();
    let call = || Operation::new("price").key("k").engine(&engine);
    let with = call().returning::<Result<Vec<Number>, Error>>().compare_results();
    with.run(|| async { Ok(vec![number(text)]) }).await?;
    let without = call().returning::<Result<Value, Error>>();
    without.run(|| async { unreachable!("it ran again") }).await.map(|value| value[0].clone())
}

#[tokio::test]
async fn a_number_is_stored_as_a_number_whatever_the_feature() {
    assert_eq!(carried("19.9").await.unwrap(), json!(19.9));
    assert_eq!(carried("19.90").await.unwrap(), json!(19.9));
    assert_eq!(carried("0").await.unwrap(), json!(0));
    assert_eq!(carried("-1").await.unwrap(), json!(-1));
    assert_eq!(carried("18446744073709551615").await.unwrap(), json!(u64::MAX));
    assert_eq!(carried("-9223372036854775808").await.unwrap(), json!(i64::MIN));
    assert_eq!(carried("1e300").await.unwrap(), json!(1e300));
}

#[tokio::test]
async fn a_number_that_no_other_build_can_read_is_refused_at_the_first_call() {
    for text in ["18446744073709551616", "0.1000000000000000055511151231257827", "1e400"] {
        let refused = carried(text).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::NotReplayable, "{text}: {refused}");
        assert!(refused.to_string().contains("`[0]` cannot be encoded"), "{refused}");
    }
    assert!(survives(&number("1e400")).is_err());
}

#[tokio::test]
async fn a_payload_has_one_fingerprint_whatever_the_feature() {
    let engine = engine();
    let same =
        [("19.9", json!(19.9)), ("19.90", json!(19.9)), ("7", json!(7)), ("-0", json!(-0.0))];
    for (text, plain) in &same {
        let call = || Operation::new("pay").key(&format!("{text} {plain}")).engine(&engine);
        let with = call().fingerprint(&[number(text)]).returning::<Result<u8, Error>>();
        with.run(|| async { Ok(1) }).await.unwrap();
        let without = call().fingerprint(&[plain]).returning::<Result<u8, Error>>();
        assert_eq!(without.run(|| async { Ok(2) }).await.unwrap(), 1, "{text}");
        let another = call().fingerprint(&[number("8")]).returning::<Result<u8, Error>>();
        let refused = another.run(|| async { Ok(3) }).await.unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::FingerprintMismatch);
    }
}

#[tokio::test]
async fn numbers_beyond_every_double_still_have_fingerprints_of_their_own() {
    let engine = engine();
    let call = |text: &str| {
        let call = Operation::new("pay").key("k").engine(&engine).fingerprint(&number(text));
        call.returning::<Result<u8, Error>>().run(|| async { Ok(1) })
    };
    call("1e400").await.unwrap();
    assert_eq!(call("1e500").await.unwrap_err().kind(), ErrorKind::FingerprintMismatch);
}
