//! `list`: records, as they are found. One page is in memory at a time.

use std::io::{IsTerminal as _, stderr, stdout};
use std::time::SystemTime;

use crate::args::List;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{Document, RecordTable, clean, grouped};
use crate::store::{Pace, Pages};

pub(super) async fn run(arguments: List, context: &mut Context) -> Result<Exit, Failure> {
    let store = context.connect().await?;
    let table = RecordTable::new(&context.output);
    let pace = Pace::new(arguments.fast);
    let mut pages = Pages::new(&store.engine, &context.interrupt, pace, arguments.filter.scan());
    let limit = arguments.limit.unwrap_or(u64::MAX);
    let (mut shown, mut unreadable) = (0, 0);
    let is_json = context.output.is_json();
    // On the terminal itself the records are the progress.
    let shows_progress = stderr().is_terminal() && !stdout().is_terminal();
    let output = &mut context.output;
    let ended = loop {
        let page = match pages.next().await {
            Ok(Some(page)) => page,
            Ok(None) => break Ok(Exit::Done),
            Err(failure) => break Err(failure),
        };
        let now = SystemTime::now();
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
        if shows_progress {
            eprint!("\r{} records listed ", grouped(shown));
        }
        if shown >= limit {
            break Ok(Exit::Done);
        }
    };
    if shows_progress {
        eprint!("\r\x1b[K");
    }
    match ended {
        Ok(_) if shown == 0 && unreadable == 0 && !is_json => {
            eprintln!("no such records in {}", clean(&store.place()));
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
