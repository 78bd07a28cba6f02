//! Effects that commit with their records, in PostgreSQL.

use anyhow::Result;
use sqlx::{Connection as _, PgConnection, Postgres, Transaction};

use crate::ledger::{Effect, EffectId};
use crate::timestamp::Timestamp;

const TABLE: &str = "CREATE TABLE effects
    (key bigint NOT NULL, id bigint NOT NULL, began bigint NOT NULL, at bigint NOT NULL)";
const INSERT: &str = "INSERT INTO effects VALUES ($1, $2, $3, $4)";

/// Creates the table of effects.
pub(super) async fn create(url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(url).await?;
    sqlx::raw_sql(TABLE).execute(&mut connection).await?;
    Ok(())
}

/// Adds an effect, which happens if the transaction commits.
pub(super) async fn insert(
    tx: &mut Transaction<'static, Postgres>,
    effect: Effect,
) -> sqlx::Result<()> {
    let insert = sqlx::query(INSERT).bind(i64::from(effect.key)).bind(number(effect.id.0));
    let insert = insert.bind(number(effect.began.0)).bind(number(effect.at.0));
    insert.execute(&mut **tx).await.map(drop)
}

/// Those that have happened.
pub(super) async fn read(url: &str) -> Result<Vec<Effect>> {
    let mut connection = PgConnection::connect(url).await?;
    let rows: Vec<(i64, i64, i64, i64)> =
        sqlx::query_as("SELECT key, id, began, at FROM effects").fetch_all(&mut connection).await?;
    rows.into_iter()
        .map(|(key, id, began, at)| {
            Ok(Effect {
                id: EffectId(id.try_into()?),
                key: key.try_into()?,
                began: Timestamp(began.try_into()?),
                at: Timestamp(at.try_into()?),
            })
        })
        .collect()
}

fn number(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
