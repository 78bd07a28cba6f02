//! The page that lists what counts and what does not, which is generated here.

use std::path::PathBuf;
use std::{env, fs};

use super::property::Case;
use super::random::Random;
use super::sent::Sent;
use super::{different, equal};

const START: &str = "<!-- The tables are generated: UPDATE_FINGERPRINT=1 cargo test -p idempotent-tests --test http sameness -->\n";
const END: &str = "<!-- The end of the tables. -->\n";

fn tables() -> String {
    let different = table("These make another request of it:", different::CASES);
    let equal = table("These do not:", equal::CASES);
    format!("{different}\n{equal}")
}

fn table(title: &str, cases: &[Case]) -> String {
    let rows = cases.iter().map(|case| {
        let (one, other) = example(case);
        format!("| {} | {} | {} |\n", case.what, only_in(&one, &other), only_in(&other, &one))
    });
    format!(
        "{title}\n\n| what differs | in one request | in the other |\n|---|---|---|\n{}",
        rows.collect::<String>()
    )
}

/// The first pair that shows a difference, of the plainest request.
fn example(case: &Case) -> (Vec<String>, Vec<String>) {
    let pairs = (0..200_000).map(|seed| (case.pair)(&mut Random::new(seed), Sent::plain()));
    let mut shown = pairs.map(|(one, other)| (one.shown(), other.shown()));
    shown.find(|(one, other)| one != other && is_telling(one) && is_telling(other)).unwrap()
}

/// Whether every line fits into a table and can be read there, and shows what the case is about.
fn is_telling(lines: &[String]) -> bool {
    lines.iter().all(|line| {
        let is_short = (4..48).contains(&line.len());
        let is_plain =
            !line.contains(['\t', '\n']) && !line.contains("\\u") && !line.contains("\\n");
        is_short && is_plain && (!line.contains('{') || line.contains(':'))
    })
}

/// The lines that the other request does not have, as code.
fn only_in(lines: &[String], others: &[String]) -> String {
    let code = |line: &&String| format!("<code>{}</code>", escaped(line));
    let lines: Vec<_> = lines.iter().filter(|line| !others.contains(line)).collect();
    match lines.is_empty() {
        true => "no such line".to_owned(),
        false => lines.iter().map(code).collect::<Vec<_>>().join(", "),
    }
}

/// Text that neither HTML nor a table of Markdown takes for something else.
fn escaped(text: &str) -> String {
    let escape = |character| match character {
        '&' => "&amp;".to_owned(),
        '<' => "&lt;".to_owned(),
        '>' => "&gt;".to_owned(),
        '*' | '_' | '\\' | '|' | '[' | ']' | '`' | '~' => format!("&#{};", u32::from(character)),
        other => other.to_string(),
    };
    text.chars().map(escape).collect()
}

#[test]
fn the_page_lists_what_counts_and_what_does_not() {
    let path =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../idempotent-core/docs/fingerprint.md");
    let page = fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(START).expect("the tables have a start");
    let (listed, after) = rest.split_once(END).expect("the tables have an end");
    let tables = tables();
    if env::var_os("UPDATE_FINGERPRINT").is_some() {
        fs::write(&path, format!("{before}{START}\n{tables}\n{END}{after}")).unwrap();
    } else {
        assert_eq!(listed.trim(), tables.trim());
    }
}
