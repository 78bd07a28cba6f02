//! A module in which every name that a careless expansion would use means something else.
#![allow(dead_code, unused_macros, non_camel_case_types, non_local_definitions)]

use anyhow::Ok;
use idempotent_core::idempotent;

use crate::{Runs, alone};

mod core {}
mod std {}
mod alloc {}
mod tokio_is_not_tokio {}

type Result<T> = anyhow::Result<T>;

struct Some;
struct None;
struct Err;
struct Option;
struct String;
struct Box;
struct Future;
struct Send;
struct Duration;
struct Operation;
struct Guarantee;
struct str;
struct u32_;
struct bool;

macro_rules! concat {
    ($($any:tt)*) => {
        compile_error!("hostile concat")
    };
}
macro_rules! module_path {
    ($($any:tt)*) => {
        compile_error!("hostile module_path")
    };
}
macro_rules! format_args {
    ($($any:tt)*) => {
        compile_error!("hostile format_args")
    };
}
macro_rules! panic {
    ($($any:tt)*) => {
        compile_error!("hostile panic")
    };
}

/// Methods of our names on every type.
trait Hostile: Sized {
    fn key(self) {}
    fn ttl(self) {}
    fn scope(self) {}
    fn store(self) {}
    fn returning(self) {}
    fn run(self) {}
}

impl<T> Hostile for T {}

fn ok() {}
fn all() {}
fn call() {}
fn output() {}

#[idempotent(key = "{id:>4}:{id}", ttl = "1h", scope = id, memoize = ok, guarantee = at_most_once)]
async fn charge(id: u32, runs: &Runs) -> Result<u32> {
    Ok(runs.next() + id)
}

#[idempotent(key = id)]
async fn with_default_name(id: u32, runs: &Runs) -> Result<u32> {
    Ok(runs.next() + id)
}

#[::tokio::test]
async fn a_hostile_module_changes_nothing() {
    let runs = Runs::default();
    alone(async {
        for _ in 0..2 {
            assert_eq!(charge(0, &runs).await.unwrap(), 1);
            assert_eq!(with_default_name(0, &runs).await.unwrap(), 2);
        }
    })
    .await;
}
