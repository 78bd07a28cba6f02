//! Where two encodings differ.
//!
//! The order of maps does not count, and neither does that of sequences: a `HashSet` is a sequence
//! to serde, and iterates in another order once it has been read back.

use super::path::{Path, Step};
use crate::codec::digest::{Sequences, canonicalize};
use crate::codec::reader::{Item, Reader};

/// Where the values first differ; `None` if they do not.
pub(super) fn first_difference(before: &[u8], after: &[u8]) -> Option<Path> {
    if before == after || normal_form(before) == normal_form(after) {
        return None;
    }
    let mut path = Path::default();
    descend(before, after, &mut path);
    Some(path)
}

/// Follows two values that differ down to where they do.
fn descend(before: &[u8], after: &[u8], path: &mut Path) {
    let (mut left, mut right) = (Reader(before), Reader(after));
    let children = match (left.next(), right.next()) {
        (Some(Item::Array(one)), Some(Item::Array(other))) if one == other => {
            item_pair(&values(&mut left, one), &values(&mut right, other))
        }
        (Some(Item::Map(one)), Some(Item::Map(other))) => {
            entry_pair(&values(&mut left, 2 * one), &values(&mut right, 2 * other))
        }
        _ => None,
    };
    if let Some((step, pair)) = children {
        path.push(step);
        if let Some((before, after)) = pair {
            descend(before, after, path);
        }
    }
}

/// A step, and the values behind it, unless one of them is missing.
type Pair<'a> = (Step, Option<(&'a [u8], &'a [u8])>);

/// The first items without an equal on the other side.
fn item_pair<'a>(before: &[&'a [u8]], after: &[&'a [u8]]) -> Option<Pair<'a>> {
    let forms = |items: &[&[u8]]| items.iter().map(|item| normal_form(item)).collect::<Vec<_>>();
    let (left, right) = (forms(before), forms(after));
    let at = left.iter().position(|form| !right.contains(form));
    let same_place = at.filter(|at| !left.contains(&right[*at]));
    let other = same_place.or_else(|| right.iter().position(|form| !left.contains(form)));
    let at = at.or(other)?;
    Some((Step::Index(at), Some((before[at], after[other.unwrap_or(at)]))))
}

/// The first entry that has another value, or none, on the other side.
fn entry_pair<'a>(before: &[&'a [u8]], after: &[&'a [u8]]) -> Option<Pair<'a>> {
    let value_of = |entries: &[&'a [u8]], key: &[u8]| {
        entries.chunks_exact(2).find(|entry| entry[0] == key).map(|entry| entry[1])
    };
    for entry in before.chunks_exact(2) {
        match value_of(after, entry[0]) {
            None => return Some((step_of(entry[0]), None)),
            Some(value) if normal_form(value) != normal_form(entry[1]) => {
                return Some((step_of(entry[0]), Some((entry[1], value))));
            }
            Some(_) => {}
        }
    }
    let extra = after.chunks_exact(2).find(|entry| value_of(before, entry[0]).is_none())?;
    Some((step_of(extra[0]), None))
}

fn step_of(key: &[u8]) -> Step {
    match Reader(key).next() {
        Some(Item::Text(text)) => Step::of_key(text),
        _ => Step::of_key(b""),
    }
}

/// The encodings of so many values.
fn values<'a>(input: &mut Reader<'a>, count: usize) -> Vec<&'a [u8]> {
    (0..count).map_while(|_| value(input)).collect()
}

fn value<'a>(input: &mut Reader<'a>) -> Option<&'a [u8]> {
    let start = input.0;
    skip(input)?;
    Some(&start[..start.len() - input.0.len()])
}

fn skip(input: &mut Reader<'_>) -> Option<()> {
    match input.next()? {
        Item::Array(length) => (0..length).try_for_each(|_| skip(input)),
        Item::Map(length) => (0..2 * length).try_for_each(|_| skip(input)),
        _ => Some(()),
    }
}

fn normal_form(value: &[u8]) -> Vec<u8> {
    let mut form = Vec::with_capacity(value.len());
    let _ = canonicalize(&mut Reader(value), Sequences::InAnyOrder, &mut form);
    form
}
