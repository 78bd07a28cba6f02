//! `show`: one record with its result.

use std::time::SystemTime;

use crate::args::Show;
use crate::context::Context;
use crate::failure::{Exit, Failure};
use crate::output::{DerivedDocument, Document, Progress, RecordDocument, card};
use crate::store::{Located, locate, require_named};

pub(super) async fn run(arguments: Show, context: &mut Context) -> Result<Exit, Failure> {
    require_named(&arguments.target)?;
    let store = context.connect().await?;
    let progress = Progress::until_the_end(context.is_json());
    let located = locate(&store, &arguments.target, &context.interrupt, progress).await?;
    let seen = match located {
        Located::Record(seen) => seen,
        Located::Unreadable(found) => {
            if context.output.is_json() {
                context.output.line(Document::unreadable(&found).to_line())?;
            }
            return Located::Unreadable(found).readable().map(|_| Exit::Unreadable);
        }
    };
    let mut record = RecordDocument::new(&seen, SystemTime::now()).with_result(&seen);
    record.derived = DerivedDocument::all(&seen, &arguments.derive);
    match context.output.is_json() {
        true => context.output.line(Document::Record(Box::new(record)).to_line())?,
        false => card(&mut context.output, &seen, &record)?,
    }
    store.close().await;
    Ok(Exit::Done)
}
