//! Sending corrections: many of them, as one statement.

use std::collections::HashMap;
use std::sync::Arc;

use sqlx::Row;
use sqlx::postgres::PgRow;

use super::correction::Correction;
use super::failure::{Failure, deadline};
use super::member::{Queued, Verdict};
use super::queue::Sender;
use crate::backends::postgres::connection::Retry;
use crate::backends::postgres::inner::Inner;
use crate::backends::postgres::query::Query;
use crate::backends::shared::notify::Hash;
use crate::store::CorrectOutcome;

impl Sender<Correction> for Inner {
    async fn send(self: Arc<Self>, group: Vec<Queued<Correction>>) {
        let store = self;
        let deadline = deadline(&group, store.connection.timeout());
        let query = || query(&store, &group);
        let rows = store.connection.fetch_until(query, Retry::Yes, deadline).await;
        match rows.and_then(|rows| rows.iter().map(outcome).collect::<Result<HashMap<_, _>, _>>()) {
            Ok(outcomes) => answer(group, &outcomes),
            Err(error) => Failure::of(error).answer(group),
        }
    }
}

fn query(store: &Inner, group: &[Queued<Correction>]) -> Query {
    let members = || group.iter().map(|queued| &queued.member);
    Query::new(&store.statements.correct_many)
        .bind(members().map(|member| &member.hash[..]).collect::<Vec<_>>())
        .bind(members().map(|member| member.seen.as_bytes()).collect::<Vec<_>>())
        .bind(members().map(|member| member.record.as_bytes()).collect::<Vec<_>>())
        .bind(members().map(|member| member.ttl).collect::<Vec<_>>())
        .bind(store.channel())
}

fn outcome(row: &PgRow) -> Result<(Hash, CorrectOutcome), sqlx::Error> {
    let hash = Hash::try_from(row.try_get::<&[u8], _>("id")?)
        .map_err(|error| sqlx::Error::Decode(error.into()))?;
    let outcome = match row.try_get("done")? {
        true => CorrectOutcome::Corrected,
        false => CorrectOutcome::Changed,
    };
    Ok((hash, outcome))
}

/// Answers each member. One without a row asks alone: its record is gone, or somebody has locked it.
fn answer(group: Vec<Queued<Correction>>, outcomes: &HashMap<Hash, CorrectOutcome>) {
    for queued in group {
        let outcome = outcomes.get(&queued.member.hash).copied();
        queued.answer(outcome.map_or(Verdict::Singly, Verdict::Answer));
    }
}
