//! Whether a step of a suspended call is in doubt: the server looks through its journal, which may be large, and sends one
//! number.

use redis::{Pipeline, Value};

use crate::backends::redis::connection::Node;
use crate::backends::redis::error::store_error;
use crate::backends::redis::key::journal_of;
use crate::backends::redis::script::ScriptKeys;
use crate::backends::redis::shared::Shared;
use crate::model::RecordId;
use crate::store::{Entry, State, StoreError};

/// How many journals the server looks through at once, and nothing else meanwhile.
const AT_ONCE: usize = 16;

/// Drops suspended calls of whose steps none is in doubt from the entries behind the first few.
pub(super) async fn leave_out_settled(
    store: &Shared,
    node: &Node,
    entries: &mut Vec<(RecordId, Entry)>,
    first: usize,
) -> Result<(), StoreError> {
    let found = entries.split_off(first);
    let is_open = |entry: &Entry| entry.state == State::Suspended && entry.record.has_journal();
    let open = found.iter().filter(|(_, entry)| is_open(entry));
    let journals: Vec<String> = open.map(|(id, _)| journal_of(&store.keys.of(id))).collect();
    let mut is_settled = Vec::with_capacity(journals.len());
    for journals in journals.chunks(AT_ONCE) {
        let mut commands = Pipeline::with_capacity(journals.len());
        for (nth, journal) in journals.iter().enumerate() {
            let (script, keys) = (&store.scripts.is_in_doubt, ScriptKeys::of_record(journal));
            // The first has the code with it, for a server that does not know the script yet.
            let by = if nth == 0 { script.by_code(keys, &[]) } else { script.by_digest(keys, &[]) };
            commands.add_command(by);
        }
        let answers = store.client.send_all_to_node(node, &commands).await.map_err(store_error)?;
        // Whoever loads the journal is told what is wrong with it.
        is_settled.extend(answers.iter().map(|answer| *answer == Value::Int(0)));
    }
    let mut is_settled = is_settled.into_iter();
    entries.extend(
        found
            .into_iter()
            .filter(|(_, entry)| !is_open(entry) || !is_settled.next().unwrap_or_default()),
    );
    Ok(())
}
