//! How much of a stack it takes to read the deepest result that is read, in this build: less than a thread
//! has by default, for the types that take the most.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::ptr;
use std::thread::Builder;

use idempotent_core::call::Memoizable;
use idempotent_core::testing::survives;
use serde::{Deserialize, Deserializer, Serialize};

/// The levels of a result that are encoded and decoded.
const DEPTH: usize = 100;

/// A thread of the standard library or of tokio has 2 MiB. What is left is the application's.
const ENOUGH: usize = 1536 * 1024;

thread_local! {
    /// The lowest address of the stack at which a [`Probe`] was read.
    static LOWEST: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// The innermost value, which notes how far the stack has grown when it is read.
#[derive(Clone, Debug, PartialEq, Serialize)]
struct Probe(u8);

impl<'de> Deserialize<'de> for Probe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let here = 0_u8;
        let address = ptr::from_ref(&here).addr();
        LOWEST.with(|lowest| lowest.set(lowest.get().min(address)));
        u8::deserialize(deserializer).map(Self)
    }
}

/// Every level is buffered, and tried as one variant after the other.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Leaf(Probe),
    One { next: Box<Untagged> },
    Other { id: u64, text: String, list: Vec<u8>, other: Box<Untagged> },
}

/// Flattened twice at every level, within an untagged enum.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Flat {
    Leaf(Probe),
    Node(FlatNode),
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FlatNode {
    a: Option<String>,
    b: Option<String>,
    map: BTreeMap<String, String>,
    #[serde(flatten)]
    rest: FlatMiddle,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FlatMiddle {
    c: Option<String>,
    #[serde(flatten)]
    rest: FlatEnd,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct FlatEnd {
    next: Option<Box<Flat>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", content = "content")]
enum Adjacent {
    Leaf(Probe),
    Node(Box<Adjacent>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type")]
enum Internal {
    Leaf { probe: Probe },
    Node(Box<InternalNode>),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct InternalNode {
    id: u64,
    text: Option<String>,
    #[serde(flatten)]
    rest: InternalRest,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct InternalRest {
    next: Internal,
}

/// Many fields: all of them are in the frame of the function that reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Wide {
    a: Option<[String; 3]>,
    b: Option<[String; 3]>,
    c: Option<[String; 3]>,
    d: Option<[String; 3]>,
    e: Option<[String; 3]>,
    probe: Option<Probe>,
    next: Option<Box<Wide>>,
}

/// Reads a value that is nested as deeply as possible, on a stack that is larger than any, and says how much
/// of it that took.
fn stack_to_read<T>(make: fn() -> T) -> usize
where
    T: Memoizable + PartialEq + fmt::Debug + 'static,
{
    let reading = Builder::new().stack_size(256 << 20).spawn(move || {
        let top = 0_u8;
        let value = make();
        survives(&value).unwrap();
        let lowest = LOWEST.with(Cell::get);
        assert_ne!(lowest, usize::MAX, "it was read");
        ptr::from_ref(&top).addr() - lowest
    });
    reading.unwrap().join().unwrap()
}

fn untagged() -> Untagged {
    (1..DEPTH).fold(Untagged::Leaf(Probe(1)), |next, level| {
        let next = Box::new(next);
        match level % 2 {
            0 => Untagged::One { next },
            _ => Untagged::Other { id: 1, text: "x".to_owned(), list: vec![], other: next },
        }
    })
}

fn flat() -> Flat {
    (1..DEPTH).fold(Flat::Leaf(Probe(1)), |next, _| {
        let rest = FlatMiddle { c: None, rest: FlatEnd { next: Some(Box::new(next)) } };
        Flat::Node(FlatNode { rest, ..FlatNode::default() })
    })
}

fn adjacent() -> Adjacent {
    (1..DEPTH).fold(Adjacent::Leaf(Probe(1)), |next, _| Adjacent::Node(Box::new(next)))
}

fn internal() -> Internal {
    (1..DEPTH).fold(Internal::Leaf { probe: Probe(1) }, |next, _| {
        Internal::Node(Box::new(InternalNode { id: 1, text: None, rest: InternalRest { next } }))
    })
}

fn wide() -> Wide {
    let leaf = Wide { probe: Some(Probe(1)), ..Wide::default() };
    (1..DEPTH).fold(leaf, |next, _| Wide { next: Some(Box::new(next)), ..Wide::default() })
}

#[test]
fn the_deepest_results_of_the_heaviest_types_leave_a_stack_half_a_mebibyte() {
    for (name, taken) in [
        ("untagged", stack_to_read(untagged)),
        ("flat", stack_to_read(flat)),
        ("adjacent", stack_to_read(adjacent)),
        ("internal", stack_to_read(internal)),
        ("wide", stack_to_read(wide)),
    ] {
        assert!(taken < ENOUGH, "{name}: {} KiB, {} a level", taken / 1024, taken / DEPTH);
    }
}

/// What the figures above are about, on such a stack: an overflow would end the process.
#[test]
fn they_are_read_on_a_stack_of_the_usual_size() {
    let usual = || Builder::new().stack_size(2 << 20);
    let reading = |read: fn()| usual().spawn(read).unwrap().join().unwrap();
    reading(|| survives(&untagged()).unwrap());
    reading(|| survives(&flat()).unwrap());
    reading(|| survives(&adjacent()).unwrap());
    reading(|| survives(&internal()).unwrap());
    reading(|| survives(&wide()).unwrap());
}
