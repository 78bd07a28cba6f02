//! Running the command, and reading what it says.

use std::path::Path;
use std::process::{Output, Stdio};

use serde_json::Value;
use tokio::process::Command;

use crate::schema;

/// What the command said and how it ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// The command with nothing of this machine's user: no configuration, no variables.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_idempotent"));
    command.args(arguments).env_clear().env("HOME", "/nowhere").env("USER", "ada");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

pub(crate) fn read(output: Output) -> Ran {
    Ran {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).expect("it is UTF-8"),
        stderr: String::from_utf8(output.stderr).expect("it is UTF-8"),
    }
}

/// Runs the command on a store.
pub(crate) async fn run(url: &str, arguments: &[&str]) -> Ran {
    let mut command = command(arguments);
    command.env("IDEMPOTENT_STORE", url);
    read(command.output().await.expect("it starts"))
}

/// The same with `--json`, every document of which must be as the schema says.
pub(crate) async fn json(url: &str, arguments: &[&str]) -> (Vec<Value>, i32) {
    let arguments = [&["--json"], arguments].concat();
    let ran = run(url, &arguments).await;
    (documents(&ran), ran.code)
}

/// All documents that it printed, on stdout and then on stderr.
pub(crate) fn documents(ran: &Ran) -> Vec<Value> {
    let errors = ran.stderr.lines().filter(|line| line.starts_with('{'));
    let lines = ran.stdout.lines().chain(errors);
    let documents: Vec<Value> = lines
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")))
        .collect();
    for document in &documents {
        schema::check(document);
    }
    documents
}

/// The only document.
pub(crate) async fn one(url: &str, arguments: &[&str]) -> (Value, i32) {
    let (mut documents, code) = json(url, arguments).await;
    assert_eq!(documents.len(), 1, "{documents:#?}");
    (documents.remove(0), code)
}

/// The lines of an audit log.
pub(crate) fn audit(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).expect("there is an audit log");
    text.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect()
}

/// Panics if a command has ended that a test waits for.
pub(crate) fn assert_runs(child: &mut tokio::process::Child) {
    let ended = child.try_wait().expect("it can be asked");
    assert!(ended.is_none(), "it has ended by itself: {ended:?}");
}
