//! The bank: its tables, and a transfer between two accounts that takes effect exactly once.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use idempotent_core::{Error, Idempotency, idempotent};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, Transaction};

pub(super) const ACCOUNTS: u32 = 12;
pub(super) const BALANCE: i64 = 1_000_000;

/// No constraint keeps a transfer from being made twice: that is the calls' part.
pub(super) const TABLES: &str = "
    CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE transfers (
        id bigserial, number bigint NOT NULL, source int NOT NULL, target int NOT NULL,
        amount bigint NOT NULL, made_by text NOT NULL DEFAULT current_setting('application_name')
    );";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Order {
    pub(super) number: u32,
    pub(super) source: i32,
    pub(super) target: i32,
    pub(super) amount: i64,
}

impl Order {
    /// The order of that number, the same for everybody.
    pub(super) fn numbered(number: u32, seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed ^ (u64::from(number) << 32));
        let source = random.i32(0..ACCOUNTS.cast_signed());
        let distance = random.i32(1..ACCOUNTS.cast_signed());
        let target = (source + distance) % ACCOUNTS.cast_signed();
        Self { number, source, target, amount: random.i64(1..100) }
    }
}

/// What a caller may ask of a call besides the transfer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Terms {
    /// How long a duplicate waits; none of it refuses at once.
    pub(super) patience: Duration,
    /// Fails after half of the work.
    pub(super) decline: bool,
}

/// Moves money, and gives the number in the bank's journal.
#[idempotent(
    key = order.number,
    name = "bank.transfer",
    fingerprint = order,
    engine = engine,
    wait = terms.patience,
    tx = tx,
    guarantee = exactly_once
)]
pub(super) async fn transfer(
    engine: &Idempotency,
    tx: &mut Transaction<'_, Postgres>,
    order: &Order,
    terms: Terms,
) -> Result<i64, BankError> {
    let take = "UPDATE accounts SET balance = balance - $1 WHERE id = $2";
    sqlx::query(take).bind(order.amount).bind(order.source).execute(&mut **tx).await?;
    if terms.decline {
        return Err(BankError::Declined);
    }
    let give = "UPDATE accounts SET balance = balance + $1 WHERE id = $2";
    sqlx::query(give).bind(order.amount).bind(order.target).execute(&mut **tx).await?;
    let journal = "INSERT INTO transfers (number, source, target, amount)
        VALUES ($1, $2, $3, $4) RETURNING id";
    let noted = sqlx::query_scalar(journal)
        .bind(i64::from(order.number))
        .bind(order.source)
        .bind(order.target)
        .bind(order.amount);
    Ok(noted.fetch_one(&mut **tx).await?)
}

#[derive(Debug)]
pub(super) enum BankError {
    Idempotency(Error),
    Database(sqlx::Error),
    Declined,
}

impl fmt::Display for BankError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Idempotency(error) => error.fmt(f),
            Self::Database(error) => error.fmt(f),
            Self::Declined => f.write_str("the transfer was declined"),
        }
    }
}

/// With its cause, by which `retry_transaction` knows what is worth another run.
impl StdError for BankError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        match self {
            Self::Idempotency(error) => Some(error),
            Self::Database(error) => Some(error),
            Self::Declined => None,
        }
    }
}

impl From<Error> for BankError {
    fn from(error: Error) -> Self {
        Self::Idempotency(error)
    }
}

impl From<sqlx::Error> for BankError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}
