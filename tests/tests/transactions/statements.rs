//! What a call costs beside the body's own statements and the caller's `BEGIN` and `COMMIT`, as the
//! server's log tells.

use idempotent_servers::{Postgres, Server, require};

use crate::setup::{CHARGE, Level, Shop, ShopError, effect};

async fn shop_with_a_log() -> Shop {
    let server = Postgres::builder()
        .arg("log_statement", "all")
        .arg("log_parameter_max_length", "0")
        .arg("log_line_prefix", "");
    let server: &'static Postgres = Box::leak(Box::new(server.start().await));
    Shop::open_at(server, Level::ReadCommitted).await
}

/// The first words of the statements between the last `BEGIN` and the last `COMMIT`.
fn statements(shop: &Shop) -> Vec<String> {
    let log = shop.server.log();
    let (_, log) = log.rsplit_once("BEGIN").unwrap();
    let (log, _) = log.rsplit_once("COMMIT").unwrap();
    let entries = log.lines().filter_map(|line| {
        let line = line.strip_prefix("LOG:  ")?;
        let (_, statement) =
            line.strip_prefix("statement: ").map(|text| ("", text)).or(line.split_once(": "))?;
        statement.split_whitespace().next().map(str::to_owned)
    });
    entries.collect()
}

#[tokio::test]
async fn a_call_that_runs_costs_three_statements_and_a_replay_one() {
    require!(Server::Postgres);
    let shop = shop_with_a_log().await;
    // The types of arguments are asked for once a connection, and statements are prepared.
    shop.charge_and_commit("first").await.unwrap();
    shop.charge_and_commit("second").await.unwrap();
    assert_eq!(statements(&shop), ["SELECT", "SAVEPOINT", "INSERT", "UPDATE"]);
    shop.charge_and_commit("second").await.unwrap();
    assert_eq!(statements(&shop), ["SELECT"]);
}

#[tokio::test]
async fn a_call_that_fails_costs_one_more() {
    require!(Server::Postgres);
    let shop = shop_with_a_log().await;
    let mut tx = shop.begin().await;
    let call = CHARGE.key("k").engine(&shop.engine).returning::<Result<i64, ShopError>>();
    let declined = call.run_in(&mut tx, async |tx| {
        effect(tx, "k").await?;
        Err(ShopError::Declined)
    });
    declined.await.unwrap_err();
    tx.commit().await.unwrap();
    let expected = ["SELECT", "SAVEPOINT", "INSERT", "ROLLBACK", "DELETE"];
    assert_eq!(statements(&shop), expected);
}
