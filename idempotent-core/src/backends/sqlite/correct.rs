//! Correcting: one statement, and a note for other processes that keep copies.

use super::inner::Inner;
use super::query::query;
use super::write_queue::Write;
use crate::backends::shared::durations::ceil_millis;
use crate::store::{Correct, CorrectOutcome, StoreError};

pub(super) async fn correct(
    store: &Inner,
    request: &Correct<'_>,
) -> Result<CorrectOutcome, StoreError> {
    let hash = &request.id.hash()[..];
    let correct = query(&store.statements.correct)
        .bind(hash)
        .bind(request.seen.as_bytes())
        .bind(request.record.as_bytes())
        .bind(ceil_millis(request.ttl));
    let note = query(&store.statements.note_purge).bind(hash);
    let write = Write::new().and_fetch(correct).and_then(|write| write.and(note));
    let done = store.connection.write(write).await?;
    Ok(if done.rows.is_empty() { CorrectOutcome::Changed } else { CorrectOutcome::Corrected })
}
