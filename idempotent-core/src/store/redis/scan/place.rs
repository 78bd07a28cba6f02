//! Where a scan stands: `{primaries} {which} {run} {position}`.
//!
//! A position means nothing to another process, since every server orders its keys by a seed of its
//! own: after a restart or a failover the run differs, and that primary begins anew. When the
//! primaries are others than before, nobody can tell which of them has been seen, and the whole
//! scan begins anew. So what stays put is seen at least once.

use redis::{Pipeline, Value};

use crate::store::redis::Shared;
use crate::store::redis::error::{store_error, unexpected};
use crate::store::redis::link::Node;
use crate::store::{Cursor, StoreError, StoreErrorKind};

/// Enough of a hash to tell a handful of lists apart.
const MARK_CHARS: usize = 12;

/// For a server that does not say which process it is.
const UNTOLD: &str = "-";

pub(super) struct Place {
    primaries: Vec<Node>,
    which: usize,
    run: String,
    position: u64,
}

impl Place {
    /// The place that a cursor tells, or the beginning.
    pub(super) fn of(cursor: Option<&Cursor>, primaries: Vec<Node>) -> Result<Self, StoreError> {
        let Some(Cursor(cursor)) = cursor else { return Ok(Self::beginning(primaries)) };
        let foreign = || {
            StoreError::new(StoreErrorKind::Malformed, "a cursor that no scan of this store gave")
        };
        let parts: Vec<&str> = cursor.split(' ').collect();
        let [of, which, run, position] = parts.as_slice() else { return Err(foreign()) };
        let which: usize = which.parse().map_err(|_| foreign())?;
        let position = position.parse().map_err(|_| foreign())?;
        if *of != mark(&primaries) || which >= primaries.len() {
            return Ok(Self::beginning(primaries));
        }
        Ok(Self { primaries, which, run: (*run).to_owned(), position })
    }

    const fn beginning(primaries: Vec<Node>) -> Self {
        Self { primaries, which: 0, run: String::new(), position: 0 }
    }

    /// The primary whose turn it is; `None` after the last.
    pub(super) fn node(&self) -> Option<&Node> {
        self.primaries.get(self.which)
    }

    pub(super) fn cursor(&self) -> Option<Cursor> {
        self.node()?;
        let run = if self.run.is_empty() { UNTOLD } else { &self.run };
        Some(Cursor(format!("{} {} {run} {}", mark(&self.primaries), self.which, self.position)))
    }

    /// The keys of the next step, and on to the step after it.
    pub(super) async fn step(
        &mut self,
        store: &Shared,
        glob: &str,
        count: usize,
    ) -> Result<Vec<Vec<u8>>, StoreError> {
        let Some(node) = self.node().cloned() else { return Ok(Vec::new()) };
        let (mut run, mut answer) = ask(store, &node, self.position, glob, count).await?;
        if self.position != 0 && run != self.run {
            (run, answer) = ask(store, &node, 0, glob, count).await?;
        }
        let (position, keys) = parts(answer)?;
        (self.run, self.position) = (run, position);
        if position == 0 {
            self.which += 1;
        }
        Ok(keys)
    }
}

fn mark(primaries: &[Node]) -> String {
    let mut hasher = blake3::Hasher::new();
    for node in primaries {
        hasher.update(node.to_string().as_bytes()).update(b"\n");
    }
    hasher.finalize().to_hex()[..MARK_CHARS].to_owned()
}

async fn ask(
    store: &Shared,
    node: &Node,
    position: u64,
    glob: &str,
    count: usize,
) -> Result<(String, Value), StoreError> {
    let mut questions = Pipeline::with_capacity(2);
    questions.cmd("INFO").arg("server");
    questions.cmd("SCAN").arg(position).arg("MATCH").arg(glob).arg("COUNT").arg(count);
    questions.arg("TYPE").arg("string");
    let answers = store.link.read_node(node, &questions).await.map_err(store_error)?;
    let mut answers = answers.into_iter();
    let info = answers.next().unwrap_or_default();
    let found = answers.next().unwrap_or_default().extract_error().map_err(store_error)?;
    Ok((run_of(&info), found))
}

/// Which process a server is, by its `INFO`.
fn run_of(info: &Value) -> String {
    let text = match info {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).unwrap_or_default(),
        Value::VerbatimString { text, .. } => text,
        _ => "",
    };
    let run = text.lines().find_map(|line| line.strip_prefix("run_id:"));
    run.map(str::trim).filter(|run| !run.is_empty()).unwrap_or(UNTOLD).to_owned()
}

fn parts(answer: Value) -> Result<(u64, Vec<Vec<u8>>), StoreError> {
    redis::from_redis_value(answer).map_err(|error| {
        tracing::debug!(%error, "an answer to SCAN that is none");
        store_error(unexpected(&Value::Nil))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        let mut place = Place::beginning(vec![Node::Only]);
        (place.run, place.position) = ("abc".to_owned(), 42);
        let again = Place::of(place.cursor().as_ref(), vec![Node::Only]).unwrap();
        assert_eq!((again.which, again.run.as_str(), again.position), (0, "abc", 42));
    }

    #[test]
    fn other_primaries_begin_anew() {
        let mut place = Place::beginning(vec![Node::Only]);
        place.position = 42;
        let cursor = place.cursor();
        let others = Place::of(cursor.as_ref(), vec![Node::Only, Node::Only]).unwrap();
        assert_eq!((others.which, others.position), (0, 0));
    }

    #[test]
    fn the_last_primary_ends_the_scan() {
        let mut place = Place::beginning(vec![Node::Only]);
        place.which = 1;
        assert_eq!(place.cursor(), None);
        assert_eq!(Place::beginning(Vec::new()).cursor(), None);
    }

    #[test]
    fn a_foreign_cursor_is_refused() {
        for cursor in ["", "0", "a b c", "a 0 run x", "a x run 0", "a 0 run 0 0"] {
            let cursor = Cursor(cursor.to_owned());
            assert!(Place::of(Some(&cursor), vec![Node::Only]).is_err(), "{cursor:?}");
        }
    }
}
