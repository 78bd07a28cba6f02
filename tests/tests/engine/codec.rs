//! What a result may be made of: everything that serde carries, but for the documented exceptions.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, NaiveDate, TimeZone, Utc};
use idempotent_core::backends::MemoryStore;
use idempotent_core::call::Memoizable;
use idempotent_core::{Error, ErrorKind, Idempotency, Operation};
use idempotent_tests::engine;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// The value after a trip through a record, whatever it is then.
async fn carry<T: Memoizable>(value: T) -> Result<T, Error> {
    let engine = Idempotency::builder(MemoryStore::new()).verify_results(false).build();
    let call = || Operation::new("carry").key("k").engine(&engine).returning::<Result<T, Error>>();
    call().run(|| async { Ok(value) }).await?;
    call().run(|| async { unreachable!("it ran again") }).await
}

async fn survives<T: Memoizable + Clone + PartialEq + Debug>(value: T) {
    assert_eq!(carry(value.clone()).await.unwrap(), value);
}

const V4: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

/// Everything that tends to get lost inside a type that serde must buffer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    ip: IpAddr,
    peer: SocketAddr,
    id: Uuid,
    at: DateTime<Utc>,
    day: NaiveDate,
    took: Duration,
    letter: char,
    big: u64,
    small: i64,
    float: f64,
    single: f32,
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
    numbers: BTreeMap<i32, String>,
    nothing: Option<u32>,
    something: Option<String>,
    tuple: (u8, String),
    unit: (),
    list: Vec<Inner>,
}

fn inner() -> Inner {
    Inner {
        ip: V4,
        peer: SocketAddr::new(V6, 443),
        id: Uuid::from_u128(0x1234_5678_9abc_def0_1234_5678_9abc_def0),
        at: Utc.with_ymd_and_hms(2024, 2, 29, 23, 59, 58).unwrap()
            + chrono::Duration::nanoseconds(7),
        day: NaiveDate::from_ymd_opt(-1, 1, 1).unwrap(),
        took: Duration::new(3, 4),
        letter: '🔑',
        big: u64::MAX,
        small: i64::MIN,
        float: f64::INFINITY,
        single: 0.1,
        bytes: vec![0, 255, 128],
        numbers: BTreeMap::from([(-7, "seven".to_owned()), (i32::MAX, String::new())]),
        nothing: None,
        something: Some(String::new()),
        tuple: (0, "\0".to_owned()),
        unit: (),
        list: Vec::new(),
    }
}

fn nested() -> Inner {
    Inner { list: vec![inner(), inner()], ..inner() }
}

#[tokio::test]
async fn a_plain_struct_survives() {
    survives(nested()).await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum External {
    Unit,
    Newtype(Inner),
    Tuple(u8, Inner),
    Struct { inner: Inner },
}

#[tokio::test]
async fn an_externally_tagged_enum_survives() {
    survives(External::Unit).await;
    survives(External::Newtype(nested())).await;
    survives(External::Tuple(1, nested())).await;
    survives(External::Struct { inner: nested() }).await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Internal {
    Unit,
    Newtype(Inner),
    Struct { inner: Inner, type_name: String },
}

#[tokio::test]
async fn an_internally_tagged_enum_survives() {
    survives(Internal::Unit).await;
    survives(Internal::Newtype(nested())).await;
    survives(Internal::Struct { inner: nested(), type_name: "x".to_owned() }).await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "value")]
enum Adjacent {
    Unit,
    Newtype(Inner),
    Tuple(u8, Inner),
    Struct { inner: Inner },
}

#[tokio::test]
async fn an_adjacently_tagged_enum_survives() {
    survives(Adjacent::Unit).await;
    survives(Adjacent::Newtype(nested())).await;
    survives(Adjacent::Tuple(1, nested())).await;
    survives(Adjacent::Struct { inner: nested() }).await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Float(f64),
    Text(String),
    List(Vec<Untagged>),
    Struct { inner: Box<Inner> },
    Map(BTreeMap<String, Untagged>),
    Unit,
}

#[tokio::test]
async fn an_untagged_enum_survives() {
    survives(Untagged::Number(i64::MIN)).await;
    survives(Untagged::Float(f64::NEG_INFINITY)).await;
    survives(Untagged::Float(1.0)).await;
    survives(Untagged::Text("1".to_owned())).await;
    survives(Untagged::List(vec![Untagged::Unit, Untagged::Number(0)])).await;
    survives(Untagged::Struct { inner: Box::new(nested()) }).await;
    survives(Untagged::Map([("k".to_owned(), Untagged::Unit)].into())).await;
    survives(Untagged::Unit).await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FlatEnum {
    before: u8,
    #[serde(flatten)]
    kind: Internal,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct FlatRest {
    before: u8,
    #[serde(flatten)]
    inner: Inner,
    #[serde(flatten)]
    rest: HashMap<String, Untagged>,
}

#[tokio::test]
async fn flattened_fields_survive() {
    survives(FlatEnum { before: 1, kind: Internal::Unit }).await;
    survives(FlatEnum { before: 1, kind: Internal::Newtype(nested()) }).await;
    let rest: HashMap<_, _> = [("other".to_owned(), Untagged::Text("x".to_owned()))].into();
    survives(FlatRest { before: 1, inner: nested(), rest }).await;
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Point(i32, i32);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Side {
    Left,
    Right,
}

#[tokio::test]
async fn maps_with_keys_of_any_type_survive() {
    survives(HashMap::from([(-1_i64, 'a'), (i64::MAX, 'b')])).await;
    survives(BTreeMap::from([(Point(1, -2), 1), (Point(0, 0), 2)])).await;
    survives(BTreeMap::from([((1_u8, "x".to_owned()), ()), ((2, String::new()), ())])).await;
    survives(BTreeMap::from([(Side::Left, true), (Side::Right, false)])).await;
    survives(HashMap::from([(Uuid::nil(), V6), (Uuid::max(), V4)])).await;
    survives(BTreeMap::from([(true, 1), (false, 0)])).await;
    survives(HashMap::<u8, u8>::new()).await;
}

#[tokio::test]
async fn nan_and_the_infinities_survive() {
    assert!(carry(f64::NAN).await.unwrap().is_nan());
    assert!(carry(f32::NAN).await.unwrap().is_nan());
    survives([f64::INFINITY, f64::NEG_INFINITY, f64::MIN_POSITIVE, f64::EPSILON]).await;
    assert!(carry(-0.0_f64).await.unwrap().is_sign_negative());
}

#[tokio::test]
async fn integers_of_128_bits_survive() {
    survives((u128::MAX, i128::MIN, 0_u128, i128::MAX)).await;
    survives(BTreeMap::from([(u128::MAX, i128::MIN)])).await;
    survives(Some(u128::MAX)).await;
}

#[tokio::test]
async fn bytes_survive() {
    survives(serde_bytes::ByteBuf::from((0..=255).collect::<Vec<u8>>())).await;
    survives(vec![0_u8, 255]).await;
    survives(serde_bytes::ByteBuf::new()).await;
}

#[tokio::test]
async fn the_types_of_std_chrono_and_uuid_survive() {
    survives((V4, V6, SocketAddr::new(V4, 80))).await;
    survives((Uuid::max(), DateTime::<Utc>::MAX_UTC, DateTime::<Utc>::MIN_UTC)).await;
    survives(Utc.timestamp_opt(0, 1).unwrap()).await;
    survives((Duration::MAX, SystemTime::UNIX_EPOCH, PathBuf::from("/a/b"))).await;
    survives(("é".to_owned(), 'é', '\0', Some(Box::new(1)))).await;
    survives((Ok::<u8, String>(1), Err::<u8, String>("no".to_owned()))).await;
    survives(std::num::NonZeroU8::MIN).await;
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct UnitStruct;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Newtype(Option<u8>);

#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
struct Skipping {
    #[serde(skip_serializing_if = "Option::is_none")]
    a: Option<u8>,
    #[serde(rename = "ß")]
    b: u8,
    #[serde(skip)]
    c: u8,
}

#[tokio::test]
async fn structs_of_every_shape_survive() {
    survives(UnitStruct).await;
    survives(Newtype(None)).await;
    survives(Newtype(Some(0))).await;
    survives(Point(i32::MIN, i32::MAX)).await;
    survives(Skipping::default()).await;
    survives(Skipping { a: Some(1), b: 2, c: 0 }).await;
    survives(Some(Vec::<u8>::new())).await;
    survives(Some(String::new())).await;
    survives(Some(false)).await;
    survives(vec![None, Some(0_u8)]).await;
}

#[tokio::test]
async fn a_json_value_survives() {
    let value = serde_json::json!({
        "null": null, "list": [1, -1, 1.5, "x", [], {}], "big": u64::MAX, "small": i64::MIN,
        "nested": {"a": {"b": {"c": [true, false, null]}}},
    });
    survives(value).await;
}

#[tokio::test]
async fn long_texts_lists_and_maps_survive() {
    survives("x".repeat(70_000)).await;
    survives((0..70_000_u32).collect::<Vec<_>>()).await;
    survives((0..70_000_u32).map(|i| (i, ())).collect::<BTreeMap<_, _>>()).await;
}

#[tokio::test]
async fn the_order_of_fields_and_a_new_optional_field_do_not_matter() {
    #[derive(Serialize, Deserialize)]
    struct Old {
        a: u8,
        b: String,
        gone: u8,
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct New {
        b: String,
        #[serde(default)]
        new: u8,
        maybe: Option<u8>,
        a: u8,
    }
    let engine = engine();
    let operation = Operation::new("carry");
    let old = operation.key("k").engine(&engine).returning::<Result<Old, Error>>();
    old.run(|| async { Ok(Old { a: 1, b: "b".to_owned(), gone: 2 }) }).await.unwrap();
    let new = operation.key("k").engine(&engine).returning::<Result<New, Error>>();
    let read = new.run(|| async { unreachable!() }).await.unwrap();
    assert_eq!(read, New { b: "b".to_owned(), new: 0, maybe: None, a: 1 });
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Wide {
    Amount { cents: u128 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum WideUntagged {
    Amount(u128),
}

#[tokio::test]
async fn integers_of_128_bits_inside_tagged_and_untagged_types_are_refused_and_not_changed() {
    let refused = carry(Wide::Amount { cents: u128::MAX }).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Decode | ErrorKind::ResultNotKept), "{refused}");
    let refused = carry(WideUntagged::Amount(u128::MAX)).await.unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Decode | ErrorKind::ResultNotKept), "{refused}");
}

#[tokio::test]
async fn an_option_of_nothing_comes_back_as_none() {
    assert_eq!(carry(Some(())).await.unwrap(), None);
    assert_eq!(carry(Some(None::<u8>)).await.unwrap(), None);
    assert_eq!(carry(Some(Some(1_u8))).await.unwrap(), Some(Some(1)));
}

fn tree() -> impl Strategy<Value = Untagged> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(Untagged::Number),
        any::<f64>().prop_map(Untagged::Float),
        ".*".prop_map(Untagged::Text),
        Just(Untagged::Unit),
    ];
    leaf.prop_recursive(4, 64, 6, |tree| {
        prop_oneof![
            prop::collection::vec(tree.clone(), 0..6).prop_map(Untagged::List),
            prop::collection::btree_map(".*", tree, 0..6).prop_map(Untagged::Map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    #[test]
    fn any_tree_survives(tree in tree()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(survives(tree));
    }
}
