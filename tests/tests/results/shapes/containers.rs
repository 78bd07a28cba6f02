//! Sequences, maps, tuples, text and bytes.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, LinkedList, VecDeque};
use std::rc::Rc;

use serde::{Deserialize, Serialize};

use super::{Tried, shape};

const GROUP: &str = "Containers";

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
struct Point(i32, i32);

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
enum Side {
    Left,
    Right,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Node {
    name: String,
    children: Vec<Node>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Bytes {
    #[serde(with = "serde_bytes")]
    bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Generic<T> {
    inner: T,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Shared(#[serde(with = "rc")] Rc<str>);

mod rc {
    use std::rc::Rc;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        text: &Rc<str>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(text)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Rc<str>, D::Error> {
        String::deserialize(input).map(Rc::from)
    }
}

pub(super) fn shapes() -> Vec<Tried> {
    let leaf = |name: &str| Node { name: name.to_owned(), children: vec![] };
    vec![
        shape(GROUP, "`()`, `bool`, `char`, `String`", ((), true, '🔑', "\0é".to_owned())),
        shape(GROUP, "unit structs", Unit),
        shape(GROUP, "tuples and arrays", ((1, "x".to_owned()), [1, 2, 3], [0_u8; 32])),
        shape(
            GROUP,
            "`Vec`, `VecDeque`, `LinkedList`",
            (vec![1, 2], VecDeque::from([3]), LinkedList::from([4])),
        ),
        shape(
            GROUP,
            "`HashSet`, `BTreeSet`",
            ((0..50).collect::<HashSet<u8>>(), BTreeSet::from(["a".to_owned()])),
        ),
        shape(
            GROUP,
            "maps with text as keys",
            HashMap::from([("a".to_owned(), 1), (String::new(), 2)]),
        ),
        shape(GROUP, "maps with numbers as keys", BTreeMap::from([(-1_i64, 1), (i64::MAX, 2)])),
        shape(
            GROUP,
            "maps with tuples or structs as keys",
            BTreeMap::from([((1, Point(1, -2)), 1)]),
        ),
        shape(
            GROUP,
            "maps with unit variants as keys",
            HashMap::from([(Side::Left, 1), (Side::Right, 2)]),
        ),
        shape(
            GROUP,
            "`Box`, and types that contain themselves",
            Box::new(Node { name: "a".to_owned(), children: vec![leaf("b"), leaf("c")] }),
        ),
        shape(GROUP, "`serde_bytes`", Bytes { bytes: (0..=255).collect() }),
        shape(GROUP, "types with parameters", Generic { inner: Generic { inner: vec![1] } }),
        shape(GROUP, "`with = module` whose two sides agree", Shared("x".into())),
        shape(
            GROUP,
            "empty text, sequences and maps",
            (String::new(), Vec::<u8>::new(), HashMap::<u8, u8>::new()),
        ),
    ]
}
