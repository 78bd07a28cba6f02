//! Whether a step of a suspended call is in doubt: the server looks through its journal, which may be large, and sends one
//! number.

use std::ops::Range;

use redis::{Pipeline, RedisResult, Value};

use crate::backends::redis::connection::Node;
use crate::backends::redis::error::store_error;
use crate::backends::redis::key::journal_of;
use crate::backends::redis::script::ScriptKeys;
use crate::backends::redis::shared::Shared;
use crate::model::RecordId;
use crate::store::{Entry, State, StoreError, StoreErrorKind};

/// How many steps the server looks through at once, and nothing else meanwhile: it takes about five milliseconds.
const AT_ONCE: usize = 5_000;

/// How many it looks through for one page, which has the time of one store call.
const PER_PAGE: usize = 200_000;

/// A journal takes as long as so many steps before its first.
const PER_JOURNAL: usize = 50;

/// What the server has looked through for one page.
#[derive(Debug, Default)]
pub(super) struct Looked {
    journals: usize,
    steps: usize,
}

impl Looked {
    /// Whether a page for so many entries ends here, however few it has.
    pub(super) fn is_enough(&self, limit: usize) -> bool {
        self.journals >= limit || self.steps >= PER_PAGE
    }
}

/// Drops suspended calls of whose steps none is in doubt from the entries behind the first few. Those that the page has no
/// time for stay, and are loaded one by one.
pub(super) async fn leave_out_settled(
    store: &Shared,
    node: &Node,
    entries: &mut Vec<(RecordId, Entry)>,
    first: usize,
    looked: &mut Looked,
) -> Result<(), StoreError> {
    let found = entries.split_off(first);
    let is_open = |entry: &Entry| entry.state == State::Suspended && entry.record.has_journal();
    let open = found.iter().filter(|(_, entry)| is_open(entry));
    let journals: Vec<String> = open.map(|(id, _)| journal_of(&store.keys.of(id))).collect();
    let is_settled = find_settled(store, node, &journals, looked).await?;
    let mut is_settled = is_settled.into_iter();
    entries.extend(
        found
            .into_iter()
            .filter(|(_, entry)| !is_open(entry) || !is_settled.next().unwrap_or_default()),
    );
    Ok(())
}

/// Of which of the first journals no step is in doubt.
async fn find_settled(
    store: &Shared,
    node: &Node,
    journals: &[String],
    looked: &mut Looked,
) -> Result<Vec<bool>, StoreError> {
    let mut is_settled = Vec::with_capacity(journals.len());
    if journals.is_empty() {
        return Ok(is_settled);
    }
    let sizes = measure(store, node, journals).await.map_err(store_error)?;
    let portions = portions(&sizes, PER_PAGE.saturating_sub(looked.steps));
    looked.journals += journals.len();
    looked.steps += sizes.iter().sum::<usize>();
    for portion in portions {
        match look(store, node, &journals[portion]).await.map_err(store_error) {
            // Whoever loads the journal is told what is wrong with it.
            Ok(answers) => {
                is_settled.extend(answers.iter().map(|answer| *answer == Value::Int(0)));
            }
            Err(error) if error.kind() == StoreErrorKind::Timeout => {
                looked.steps = PER_PAGE;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(is_settled)
}

/// How many steps it takes as long as to look through each.
async fn measure(store: &Shared, node: &Node, journals: &[String]) -> RedisResult<Vec<usize>> {
    let mut commands = Pipeline::with_capacity(journals.len());
    for journal in journals {
        commands.cmd("HLEN").arg(journal);
    }
    let answers = store.client.send_all_to_node(node, &commands).await?;
    let fields = answers.into_iter().map(|answer| match answer {
        Value::Int(fields) => usize::try_from(fields).unwrap_or_default(),
        // It shows again when it is looked through.
        _ => 0,
    });
    Ok(fields.map(|fields| fields + PER_JOURNAL).collect())
}

async fn look(store: &Shared, node: &Node, journals: &[String]) -> RedisResult<Vec<Value>> {
    let mut commands = Pipeline::with_capacity(journals.len());
    for (nth, journal) in journals.iter().enumerate() {
        let (script, keys) = (&store.scripts.is_in_doubt, ScriptKeys::of_record(journal));
        // The first has the code with it, for a server that does not know the script yet.
        let by = if nth == 0 { script.by_code(keys, &[]) } else { script.by_digest(keys, &[]) };
        commands.add_command(by);
    }
    store.client.send_all_to_node(node, &commands).await
}

/// Neighbours that are looked through at once, while the budget lasts. A large one is alone.
fn portions(sizes: &[usize], budget: usize) -> Vec<Range<usize>> {
    let mut portions: Vec<Range<usize>> = Vec::new();
    let (mut in_last, mut in_all) = (0, 0);
    for (nth, size) in sizes.iter().enumerate() {
        if in_all >= budget {
            break;
        }
        in_all += size;
        match portions.last_mut() {
            Some(last) if in_last + size <= AT_ONCE => {
                last.end = nth + 1;
                in_last += size;
            }
            _ => {
                portions.push(nth..nth + 1);
                in_last = *size;
            }
        }
    }
    portions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_steps_are_looked_through_at_once_and_a_large_journal_alone() {
        let sizes = [100, 4_900, 1, 10_000, 1, 1];
        assert_eq!(portions(&sizes, PER_PAGE), [0..2, 2..3, 3..4, 4..6]);
    }

    #[test]
    fn a_page_looks_no_further_than_its_budget_and_ends() {
        let sizes = [PER_PAGE / 2; 3];
        assert_eq!(portions(&sizes, PER_PAGE), [0..1, 1..2]);
        assert!(portions(&sizes, 0).is_empty());
        assert!(!Looked { journals: 9, steps: PER_PAGE - 1 }.is_enough(10));
        assert!(Looked { journals: 10, steps: 0 }.is_enough(10));
        assert!(Looked { journals: 1, steps: PER_PAGE }.is_enough(10));
    }
}
