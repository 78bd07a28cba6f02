//! The same on PostgreSQL 18 of what the server has a say in: shared transactions, their time and their commits.

use std::sync::atomic::{AtomicU32, Ordering};

use idempotent_servers::{Postgres, PostgresVersion, Server, require};
use sqlx::PgPool;
use tokio::sync::OnceCell;

use crate::inbox::{Shop, postgres_shop_in};
use crate::inbox_groups_postgres::{
    limit_in_a_group, parks_what_fails_at_the_commit, publishes_what_succeeds, shares_transactions,
};

static SERVER: OnceCell<Postgres> = OnceCell::const_new();

async fn shop() -> Shop<PgPool> {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    let start = || Postgres::builder().version(PostgresVersion::V18).start();
    let server = SERVER.get_or_init(start).await;
    let name = format!("groups_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
    server.sql(&format!("CREATE DATABASE {name}")).await;
    postgres_shop_in(&format!("{}{name}", server.url().trim_end_matches("postgres"))).await
}

#[tokio::test]
async fn messages_that_wait_share_a_transaction() {
    require!(Server::Postgres18);
    shares_transactions(shop().await).await;
}

#[tokio::test]
async fn a_statement_of_a_group_has_the_time_of_its_session_if_that_is_shorter() {
    require!(Server::Postgres18);
    assert!((10_000..=20_000).contains(&limit_in_a_group(shop().await, "0").await));
    assert_eq!(limit_in_a_group(shop().await, "700ms").await, 700);
}

#[tokio::test]
async fn a_constraint_that_fails_at_the_commit_of_a_group_parks_one_message() {
    require!(Server::Postgres18);
    parks_what_fails_at_the_commit(shop().await).await;
}

#[tokio::test]
async fn messages_of_the_outbox_are_those_of_the_handlers_that_succeeded() {
    require!(Server::Postgres18);
    publishes_what_succeeds(shop().await).await;
}
