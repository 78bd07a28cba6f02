//! What one server says about itself.

use redis::{Pipeline, Value};

use super::connection::{Client, Node};
use super::error::{is_unknown_command, store_error};
use crate::store::StoreError;

/// What one server says about itself. `None` is what it refuses to tell.
pub(super) struct ServerInfo {
    /// The answer to `INFO`.
    pub(super) info: Option<String>,
    /// Whether it knows `SET … IFEQ`.
    pub(super) set_if_equal: bool,
    /// Whether it knows `DELIFEQ`.
    pub(super) delete_if_equal: bool,
    /// The setting `save`.
    pub(super) save: Option<String>,
    /// The setting `cluster-replica-validity-factor`.
    pub(super) validity_factor: Option<String>,
}

impl ServerInfo {
    /// Asks a server.
    pub(super) async fn fetch(client: &Client, node: &Node) -> Result<Self, StoreError> {
        let mut commands = Pipeline::with_capacity(5);
        commands.cmd("INFO");
        commands.cmd("COMMAND").arg("DOCS").arg("SET");
        commands.cmd("COMMAND").arg("INFO").arg("DELIFEQ");
        commands.cmd("CONFIG").arg("GET").arg("save");
        commands.cmd("CONFIG").arg("GET").arg("cluster-replica-validity-factor");
        let answers = client.send_all_to_node(node, &commands).await.map_err(store_error)?;
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        Ok(Self {
            info: text(unless_fatal(next())?),
            set_if_equal: has_option(&next(), "IFEQ"),
            delete_if_equal: is_command(&next()),
            save: setting(next()),
            validity_factor: setting(next()),
        })
    }

    /// How many replicas it has, if it tells.
    pub(super) fn replicas(&self) -> Option<usize> {
        self.field("connected_slaves")?.parse().ok()
    }

    /// The value of a line of `INFO`.
    pub(super) fn field(&self, name: &str) -> Option<&str> {
        let lines = self.info.as_deref()?.lines();
        lines
            .filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| (key == name).then_some(value.trim()))
    }
}

/// The user may lack the permission, or a proxy may not know the command: then the answer is unknown.
/// Any other error, such as a failed login or a server that is still loading, would fail every command.
pub(super) fn unless_fatal(answer: Value) -> Result<Value, StoreError> {
    match answer.extract_error() {
        Err(error) if error.code() == Some("NOPERM") || is_unknown_command(&error) => {
            Ok(Value::Nil)
        }
        answer => answer.map_err(store_error),
    }
}

pub(super) fn text(answer: Value) -> Option<String> {
    match answer {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The value in an answer to `CONFIG GET` of one setting.
pub(super) fn setting(answer: Value) -> Option<String> {
    match answer {
        Value::Array(mut both) if both.len() == 2 => text(both.swap_remove(1)),
        Value::Map(settings) => settings.into_iter().next().and_then(|(_, value)| text(value)),
        _ => None,
    }
}

/// Whether an answer to `COMMAND DOCS` names an option of the command.
fn has_option(docs: &Value, option: &str) -> bool {
    let is_option = |text: &[u8]| text.eq_ignore_ascii_case(option.as_bytes());
    match docs {
        Value::BulkString(text) => is_option(text),
        Value::SimpleString(text) => is_option(text.as_bytes()),
        Value::Array(parts) | Value::Set(parts) => {
            parts.iter().any(|part| has_option(part, option))
        }
        Value::Map(parts) => {
            parts.iter().any(|(name, part)| has_option(name, option) || has_option(part, option))
        }
        _ => false,
    }
}

/// Whether an answer to `COMMAND INFO` describes a command, and so the server knows it.
fn is_command(answer: &Value) -> bool {
    matches!(answer, Value::Array(commands) if matches!(commands.as_slice(), [Value::Array(_)]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer of Valkey 8.1 for `SET`, shortened, in either protocol.
    #[test]
    fn an_option_is_found_wherever_the_docs_name_it() {
        let text = |text: &str| Value::BulkString(text.into());
        let argument = vec![text("name"), text("comparison-value"), text("token"), text("IFEQ")];
        let arguments = vec![text("arguments"), Value::Array(vec![Value::Array(argument)])];
        let docs = Value::Array(vec![text("set"), Value::Array(arguments)]);
        assert!(has_option(&docs, "IFEQ"));
        let map = Value::Map(vec![(text("token"), text("ifeq"))]);
        assert!(has_option(&Value::Map(vec![(text("set"), map)]), "IFEQ"));
        let history = text("Added the `IFEQ` option.");
        assert!(!has_option(&Value::Array(vec![text("set"), history]), "IFEQ"));
        assert!(!has_option(&Value::Array(Vec::new()), "IFEQ"));
    }
}
