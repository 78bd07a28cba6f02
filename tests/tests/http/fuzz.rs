//! The inputs that fuzzing found telling, and some seconds of changes to them. What must hold is
//! stated in `fuzz/src`, where coverage guides longer runs.
//!
//! `IDEMPOTENT_FUZZ_SECONDS` says how long each target is given, by default 2 seconds.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use idempotent_fuzz::{body, frames, header, query, record, response};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

const SECONDS: &str = "IDEMPOTENT_FUZZ_SECONDS";

/// One change of some bytes.
#[derive(Clone, Debug)]
enum Change {
    Set(Index, u8),
    Flip(Index, u32),
    Insert(Index, u8),
    Remove(Index, Index),
    Cut(Index),
    /// Those bytes once more, behind themselves.
    Repeat(Index, Index),
    /// What comes then is from another input.
    Splice(Index, usize),
}

impl Change {
    fn make(&self, bytes: &mut Vec<u8>, corpus: &[Vec<u8>]) {
        let place = |index: &Index| index.index(bytes.len() + 1);
        let range = |one, other| {
            let (one, other) = (place(one), place(other));
            one.min(other)..one.max(other)
        };
        match self {
            Change::Set(at, byte) => {
                let at = place(at);
                bytes.splice(at..bytes.len().min(at + 1), [*byte]);
            }
            Change::Flip(at, bit) => {
                let at = place(at);
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << bit;
                }
            }
            Change::Insert(at, byte) => bytes.insert(place(at), *byte),
            Change::Remove(from, to) => drop(bytes.drain(range(from, to))),
            Change::Cut(at) => bytes.truncate(place(at)),
            Change::Repeat(from, to) => {
                let range = range(from, to);
                let again = bytes[range.clone()].to_vec();
                bytes.splice(range.end..range.end, again);
            }
            Change::Splice(at, other) => {
                let at = place(at);
                let other = &corpus[other % corpus.len()];
                bytes.truncate(at);
                bytes.extend_from_slice(other.get(at..).unwrap_or(other));
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let byte = prop_oneof![
        any::<u8>(),
        prop::sample::select(br#"",;\=[]{}:e.-+ 019"#.to_vec()),
        prop::sample::select(vec![0, 1, 0x7f, 0x80, 0xff, b'\t', b'\n']),
    ];
    let at = any::<Index>;
    prop_oneof![
        (at(), byte.clone()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (at(), 0..8_u32).prop_map(|(at, bit)| Change::Flip(at, bit)),
        (at(), byte).prop_map(|(at, byte)| Change::Insert(at, byte)),
        (at(), at()).prop_map(|(from, to)| Change::Remove(from, to)),
        at().prop_map(Change::Cut),
        (at(), at()).prop_map(|(from, to)| Change::Repeat(from, to)),
        (at(), any::<usize>()).prop_map(|(at, other)| Change::Splice(at, other)),
    ]
}

fn corpus(target: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let mut files: Vec<_> =
        fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    // Nothing that fails depends on the order of a folder.
    files.sort();
    files.iter().map(|file| fs::read(file).unwrap()).collect()
}

/// Every input as it is, and then changed ones for so long. What fails is made small and shown.
fn fuzz(target: &str, check: fn(&[u8])) {
    let corpus = corpus(target);
    assert!(!corpus.is_empty());
    corpus.iter().for_each(|bytes| check(bytes));

    let seconds = std::env::var(SECONDS).map_or(2.0, |seconds| seconds.parse().unwrap());
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let inputs = (0..corpus.len(), prop::collection::vec(change(), 1..8));
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(1024) };
    let mut runner = TestRunner::new(config);
    while Instant::now() < end {
        let run = runner.run(&inputs, |(base, changes)| {
            let mut bytes = corpus[base].clone();
            changes.iter().for_each(|change| change.make(&mut bytes, &corpus));
            check(&bytes);
            Ok(())
        });
        run.unwrap();
    }
}

#[test]
fn no_value_of_the_header_breaks_what_holds_of_keys() {
    fuzz("header", header::check);
}

#[test]
fn no_bytes_of_a_store_break_what_holds_of_stored_responses() {
    fuzz("response", response::check);
}

#[test]
fn no_bytes_of_a_store_break_what_holds_of_records_under_a_secret() {
    fuzz("record", record::check);
}

#[test]
fn no_body_breaks_what_holds_of_fingerprints() {
    fuzz("body", body::check);
}

#[test]
fn no_query_breaks_what_holds_of_fingerprints() {
    fuzz("query", query::check);
}

#[test]
fn no_frames_break_what_holds_of_a_layer() {
    fuzz("frames", frames::check);
}
