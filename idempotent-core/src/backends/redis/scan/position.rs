//! How far a scan has come: `{primaries} {index} {run_id} {cursor}`.
//!
//! A server's cursor means nothing to another process, since every server orders its keys by a seed of
//! its own. After a restart or a failover the run id differs, and that primary is scanned from the
//! beginning. If the primaries are not the same as before, nobody can tell which of them have been
//! scanned, and the whole scan starts again. So a record that stays in place is seen at least once.

use redis::{Pipeline, Value};

use crate::backends::redis::connection::Node;
use crate::backends::redis::error::{store_error, unexpected};
use crate::backends::redis::shared::Shared;
use crate::store::{Cursor, StoreError, StoreErrorKind};

/// Enough of a hash to tell a few lists of primaries apart.
const FINGERPRINT_CHARS: usize = 12;

/// The run id of a server that does not tell it.
const UNKNOWN_RUN: &str = "-";

/// The primaries, which of them is next, and the cursor there.
pub(super) struct ScanPosition {
    primaries: Vec<Node>,
    index: usize,
    run_id: String,
    cursor: u64,
}

impl ScanPosition {
    /// The position that a cursor names, or the beginning.
    pub(super) fn new(cursor: Option<&Cursor>, primaries: Vec<Node>) -> Result<Self, StoreError> {
        let Some(Cursor(cursor)) = cursor else { return Ok(Self::beginning(primaries)) };
        let foreign = || {
            StoreError::new(
                StoreErrorKind::Malformed,
                "the cursor is not from a scan of this store; start the scan again without a cursor",
            )
        };
        let parts: Vec<&str> = cursor.split(' ').collect();
        let [of, index, run_id, cursor] = parts.as_slice() else { return Err(foreign()) };
        let index: usize = index.parse().map_err(|_| foreign())?;
        let cursor = cursor.parse().map_err(|_| foreign())?;
        if *of != fingerprint(&primaries) || index >= primaries.len() {
            return Ok(Self::beginning(primaries));
        }
        Ok(Self { primaries, index, run_id: (*run_id).to_owned(), cursor })
    }

    const fn beginning(primaries: Vec<Node>) -> Self {
        Self { primaries, index: 0, run_id: String::new(), cursor: 0 }
    }

    /// The primary to scan next; `None` after the last.
    pub(super) fn node(&self) -> Option<&Node> {
        self.primaries.get(self.index)
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.node()?;
        let run_id = if self.run_id.is_empty() { UNKNOWN_RUN } else { &self.run_id };
        let primaries = fingerprint(&self.primaries);
        Some(Cursor(format!("{primaries} {} {run_id} {}", self.index, self.cursor)))
    }

    /// Returns the keys of the next step, and moves on.
    pub(super) async fn step(
        &mut self,
        store: &Shared,
        glob: &str,
        count: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(node) = self.node().cloned() else { return Ok(Vec::new()) };
        let (mut run_id, mut answer) = send_scan(store, &node, self.cursor, glob, count).await?;
        if self.cursor != 0 && run_id != self.run_id {
            (run_id, answer) = send_scan(store, &node, 0, glob, count).await?;
        }
        let (cursor, keys) = parse_scan(answer)?;
        (self.run_id, self.cursor) = (run_id, cursor);
        if cursor == 0 {
            self.index += 1;
        }
        Ok(keys)
    }
}

fn fingerprint(primaries: &[Node]) -> String {
    let mut hasher = blake3::Hasher::new();
    for node in primaries {
        hasher.update(node.to_string().as_bytes()).update(b"\n");
    }
    hasher.finalize().to_hex()[..FINGERPRINT_CHARS].to_owned()
}

/// Sends `SCAN`, and returns the run id of the server along with the answer.
async fn send_scan(
    store: &Shared,
    node: &Node,
    cursor: u64,
    glob: &str,
    count: usize,
) -> Result<(String, Value), StoreError> {
    let mut commands = Pipeline::with_capacity(2);
    commands.cmd("INFO").arg("server");
    commands.cmd("SCAN").arg(cursor).arg("MATCH").arg(glob).arg("COUNT").arg(count);
    let answers = store.client.send_all_to_node(node, &commands).await.map_err(store_error)?;
    let mut answers = answers.into_iter();
    let info = answers.next().unwrap_or_default();
    let found = answers.next().unwrap_or_default().extract_error().map_err(store_error)?;
    Ok((run_id(&info), found))
}

/// The run id in an answer to `INFO`, which is another one after each restart.
fn run_id(info: &Value) -> String {
    let text = match info {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        Value::VerbatimString { text, .. } => text,
        _ => "",
    };
    let run_id = text.lines().find_map(|line| line.strip_prefix("run_id:"));
    run_id.map(str::trim).filter(|id| !id.is_empty()).unwrap_or(UNKNOWN_RUN).to_owned()
}

fn parse_scan(answer: Value) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
    redis::from_redis_value(answer).map_err(|error| {
        tracing::debug!(%error, "the answer to SCAN cannot be read");
        store_error(unexpected(&Value::Nil))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_position() {
        let mut position = ScanPosition::beginning(vec![Node::Only]);
        (position.run_id, position.cursor) = ("abc".to_owned(), 42);
        let again = ScanPosition::new(position.cursor().as_ref(), vec![Node::Only]).unwrap();
        assert_eq!((again.index, again.run_id.as_str(), again.cursor), (0, "abc", 42));
    }

    #[test]
    fn other_primaries_start_the_scan_again() {
        let mut position = ScanPosition::beginning(vec![Node::Only]);
        position.cursor = 42;
        let cursor = position.cursor();
        let others = ScanPosition::new(cursor.as_ref(), vec![Node::Only, Node::Only]).unwrap();
        assert_eq!((others.index, others.cursor), (0, 0));
    }

    #[test]
    fn the_last_primary_ends_the_scan() {
        let mut position = ScanPosition::beginning(vec![Node::Only]);
        position.index = 1;
        assert_eq!(position.cursor(), None);
        assert_eq!(ScanPosition::beginning(Vec::new()).cursor(), None);
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in ["", "0", "a b c", "a 0 run x", "a x run 0", "a 0 run 0 0"] {
            let cursor = Cursor(cursor.to_owned());
            assert!(ScanPosition::new(Some(&cursor), vec![Node::Only]).is_err(), "{cursor:?}");
        }
    }
}
