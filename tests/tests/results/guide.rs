//! The guide's table of what survives, which is generated here.
//!
//! `UPDATE_RESULTS=1 cargo test -p idempotent-tests --test results` writes it again.

use std::fmt::Write;
use std::path::PathBuf;
use std::{env, fs};

use crate::shapes;

const START: &str = "<!-- The table is generated: UPDATE_RESULTS=1 cargo test -p idempotent-tests --test results -->\n";
const END: &str = "<!-- The end of the table. -->\n";

async fn table() -> String {
    let mut table = "| shape | a replay |\n|---|---|\n".to_owned();
    let mut group = "";
    for shape in shapes::all().await {
        if shape.group != group {
            group = shape.group;
            writeln!(table, "| **{group}** | |").unwrap();
        }
        match shape.refused {
            None => writeln!(table, "| {} | returns it |", shape.name).unwrap(),
            Some(why) => writeln!(table, "| {} | **would not**: {why} |", shape.name).unwrap(),
        }
    }
    table
}

#[tokio::test]
async fn the_guide_lists_what_survives() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../idempotent-core/src/guide/results.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).expect("the table has a start");
    let (listed, after) = rest.split_once(END).expect("the table has an end");
    let table = table().await;
    if env::var_os("UPDATE_RESULTS").is_some() {
        fs::write(&path, format!("{before}{START}\n{table}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(listed.trim(), table.trim());
    }
}
