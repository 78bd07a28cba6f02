//! An operator on call, with the guide's page *Runbook* and nothing else: the commands are those of the page.

use std::path::Path;

use idempotent_core::{Error, Operation};

use crate::run::{Ran, command, read};
use crate::shop::{charge, lost};
use crate::stores::TestStore;

const SHOW: &str = "idempotent show \"$ID\"";

const RUNBOOK: &str = include_str!("../../../idempotent-core/src/guide/runbook.md");

/// A command of the page, which must be there as it is written here, typed into a shell in which `ID` is set.
async fn of_the_page(
    store: &TestStore,
    text: &str,
    replaced: &[(&str, &str)],
    id: &str,
    more: &str,
) -> Ran {
    assert!(RUNBOOK.contains(text), "the page does not have: {text}");
    let text = replaced.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let mut shell = tokio::process::Command::new("/bin/sh");
    let folder = Path::new(env!("CARGO_BIN_EXE_idempotent")).parent().expect("it is in a folder");
    let variables = command(&[]);
    let variables = variables.as_std().get_envs();
    shell.env_clear().envs(variables.filter_map(|(name, value)| Some((name, value?))));
    shell.env("PATH", folder).env("IDEMPOTENT_STORE", &store.url).env("ID", id);
    let ran =
        read(shell.args(["-c", &format!("{text} {more}")]).output().await.expect("it starts"));
    assert_eq!(ran.code, 0, "{text}: {}{}", ran.stdout, ran.stderr);
    ran
}

/// The last column of the only record that was listed.
fn id_of(listed: &Ran) -> &str {
    let lines: Vec<_> = listed.stdout.lines().collect();
    assert_eq!(lines.len(), 2, "{}", listed.stdout);
    lines[1].split_whitespace().last().expect("an id")
}

/// The program of the page that reads an audit log, for this record.
fn audit_program(id: &str) -> String {
    let (_, rest) = RUNBOOK.split_once("jq -nRr '").expect("the page has it");
    let (program, _) = rest.split_once("' /var/log").expect("the page has it");
    assert!(program.contains("shop.charge:5c83260f"), "{program}");
    program.replace("shop.charge:5c83260f", id)
}

#[tokio::test]
async fn the_runbook_leads_from_an_order_to_who_resolved_it() {
    let store = TestStore::sqlite().await;
    for order in ["4710", "4712"] {
        charge(&store.engine, order, &format!("receipt {order}")).await.expect("it completes");
    }
    lost(&store.engine, "4711").await;
    let webhook = Operation::new("shop.webhook").key("evt_1").engine(&store.engine);
    let webhook = webhook.returning::<Result<u32, Error>>();
    webhook.run(|| async { Ok(7) }).await.expect("it completes");

    let by_order = "idempotent list --operation shop.charge --matching 7";
    let listed = of_the_page(&store, by_order, &[("matching 7", "matching 4711")], "", "").await;
    let id = id_of(&listed);
    let shown = of_the_page(&store, SHOW, &[], id, "").await;
    assert!(shown.stdout.contains("indeterminate") && shown.stdout.contains("order:4711"));

    let completed = "idempotent list --operation shop.charge --state completed --limit 1";
    let other = of_the_page(&store, completed, &[], "", "").await;
    let shape = of_the_page(&store, SHOW, &[], id_of(&other), "").await;
    assert!(shape.stdout.contains("\"receipt 471"), "{}", shape.stdout);

    let log = store.file("audit.jsonl");
    let path = log.display().to_string();
    let resolve = "idempotent resolve \"$ID\" --happened '\"receipt 7\"'";
    let said = format!("--reason 'ticket 42' --yes --audit-log {path}");
    of_the_page(&store, resolve, &[("receipt 7", "receipt 4711")], id, &said).await;
    assert_eq!(charge(&store.engine, "4711", "another").await.expect("a replay"), "receipt 4711");
    let after = of_the_page(&store, SHOW, &[], id, "").await;
    assert!(after.stdout.contains("completed, resolved by hand"), "{}", after.stdout);

    let by_event = "idempotent list --operation shop.webhook --matching evt_1";
    let webhook = of_the_page(&store, by_event, &[], "", "").await;
    assert!(webhook.stdout.contains("completed"), "{}", webhook.stdout);
    id_of(&webhook);

    let mut jq = tokio::process::Command::new("jq");
    jq.args(["-nRr", &audit_program(id), &path]);
    let told = read(jq.output().await.expect("jq is here"));
    let fields: Vec<_> = told.stdout.trim_end().split('\t').collect();
    assert_eq!(fields.len(), 10, "{}{}", told.stdout, told.stderr);
    assert!(fields[1].starts_with("ada@"), "{fields:?}");
    assert!(fields[3].ends_with("calls.db, table idempotent_records"), "{fields:?}");
    assert_eq!((fields[2], fields[4], fields[5]), ("resolve", id, "order:4711"));
    assert_eq!((fields[8], fields[9]), ("ticket 42", "done"));
}
