//! `list`: records, as they are found. One page is in memory at a time.

use std::collections::BTreeMap;
use std::time::SystemTime;

use idempotent_core::engine::Inspection;

use crate::args::List;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, Progress, RecordTable, clean, grouped};
use crate::store::{PROPOSED, Pace, Pages, no_such_operation};

pub(super) async fn run(arguments: List, context: &mut Context) -> Result<Exit, Failure> {
    let store = context.connect().await?;
    let table = RecordTable::new(&context.output);
    let pace = Pace::new(arguments.fast);
    let mut pages = Pages::new(&store.engine, &context.interrupt, pace, arguments.filter.scan());
    let limit = arguments.limit.unwrap_or(u64::MAX);
    let (mut shown, mut unreadable) = (0, 0);
    let mut searched = Searched::default();
    let is_json = context.output.is_json();
    let progress = Progress::beside_a_file();
    let output = &mut context.output;
    let ended = loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break Ok(Exit::Done),
            Err(failure) => break Err(failure),
        };
        let now = SystemTime::now();
        searched.add(&page.entries);
        let records = page.entries.iter().filter(|seen| arguments.filter.matches(seen, now));
        for seen in records.take(usize::try_from(limit - shown).unwrap_or(usize::MAX)) {
            if is_json {
                output.line(Document::record(seen, now).to_line())?;
            } else {
                if shown == 0 {
                    table.header(output)?;
                }
                table.record(output, seen, now)?;
            }
            shown += 1;
        }
        unreadable += page.unreadable.len() as u64;
        for found in &page.unreadable {
            match is_json {
                true => output.line(Document::unreadable(found).to_line())?,
                false => table.unreadable(output, found)?,
            }
        }
        output.flush()?;
        progress.say(format_args!("{} records listed", grouped(shown)));
        if shown >= limit {
            break Ok(Exit::Done);
        }
    };
    progress.clear();
    match ended {
        Ok(_) if shown == 0 && unreadable == 0 && !is_json => {
            let operation = arguments.filter.operation.as_deref();
            let hint = no_such_operation(&store, &context.interrupt, operation).await?;
            let hint = match arguments.filter.matching {
                Some(_) if hint.is_empty() => searched.hint(),
                _ => hint,
            };
            eprintln!("no such records in {}{hint}", clean(&store.place()));
        }
        Err(ref failure) if failure.exit() == Exit::Interrupted => {
            let shown = grouped(shown);
            return Err(Failure::new(
                Exit::Interrupted,
                format!("interrupted after {shown} records"),
            ));
        }
        _ => {}
    }
    store.close().await;
    ended
}

/// What was looked at, for whoever searches in vain.
#[derive(Default)]
struct Searched {
    records: usize,
    /// By operation.
    keys: BTreeMap<String, String>,
}

impl Searched {
    fn add(&mut self, entries: &[Inspection]) {
        self.records += entries.len();
        for seen in entries {
            if self.keys.len() >= PROPOSED {
                return;
            }
            if let Some(key) = seen.key().filter(|_| !self.keys.contains_key(seen.operation())) {
                self.keys.insert(seen.operation().to_owned(), key.to_owned());
            }
        }
    }

    fn hint(&self) -> String {
        if self.keys.is_empty() {
            return String::new();
        }
        let keys: Vec<_> = self.keys.values().map(|key| clean(key)).collect();
        let records = grouped(self.records as u64);
        format!("; {records} were searched, with keys such as {}", keys.join(", "))
    }
}
