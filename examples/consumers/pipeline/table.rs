//! The table at the end: what each arrow carried, and whether it adds up.

use std::collections::{BTreeMap, BTreeSet};

use async_nats::jetstream::Context;
use async_nats::jetstream::consumer::pull;
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use sqlx::PgPool;

use crate::Failure;
use crate::broker::{DEAD, ORDERS, SHIPMENTS};
use crate::customers::Tally;
use crate::process::Said;
use crate::shop::OrderPlaced;
use crate::warehouse::OrderShipped;

/// A name, a number, and what the number must be, with the reason.
type Row = (String, u64, Option<(u64, &'static str)>);

#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    fn told(&mut self, name: &str, number: u64) {
        self.0.push((name.to_owned(), number, None));
    }

    fn checked(&mut self, name: &str, number: u64, expected: u64, why: &'static str) {
        self.0.push((name.to_owned(), number, Some((expected, why))));
    }

    /// Prints it as Markdown, and returns whether each row is what it must be.
    pub(crate) fn print(&self) -> bool {
        println!("\n| {:<44} | {:>7} | {:<36} |", "what", "number", "adds up");
        println!("|{:-<46}|{:->8}:|{:-<38}|", "", "", "");
        for (name, number, expected) in &self.0 {
            let verdict = match expected {
                None => String::new(),
                Some((expected, why)) if expected == number => format!("= {why}"),
                Some((expected, why)) => format!("**NOT {expected}**, {why}"),
            };
            println!("| {name:<44} | {number:>7} | {verdict:<36} |");
        }
        self.0.iter().all(|(_, number, expected)| expected.is_none_or(|(it, _)| it == *number))
    }
}

/// What is in a stream: how many messages, how many ids, and the orders that they are about, by id.
struct Stream {
    messages: u64,
    ids: u64,
    orders: BTreeSet<i64>,
}

impl Stream {
    async fn read<T: DeserializeOwned>(
        context: &Context,
        name: &str,
        order: fn(T) -> i64,
    ) -> Result<Self, Failure> {
        let stream = context.get_stream(name).await?;
        let messages = stream.cached_info().state.messages;
        let reader = stream.create_consumer(pull::OrderedConfig::default()).await?;
        let mut reading = reader.messages().await?.take(usize::try_from(messages)?);
        let mut orders = BTreeMap::new();
        while let Some(message) = reading.next().await {
            let message = message?;
            let headers = message.headers.as_ref().ok_or("a message has no headers")?;
            let id = headers.get("Nats-Msg-Id").ok_or("a message has no id")?.to_string();
            orders.insert(id, order(serde_json::from_slice(&message.payload)?));
        }
        let ids = orders.len() as u64;
        Ok(Self { messages, ids, orders: orders.into_values().collect() })
    }
}

/// Asks everybody.
pub(crate) async fn count(
    requests: u32,
    tally: &Tally,
    said: &Said,
    (shop, warehouse): (&PgPool, &PgPool),
    context: &Context,
) -> Result<Table, Failure> {
    let mut table = Table::default();
    let keys = u64::from(requests);
    table.told("keys of customers", keys);
    table.told("requests", tally.sent);
    table.told("… again under a key that was used", tally.sent - keys);
    table.told("… answered with a receipt", tally.receipts);
    table.told("… refused for now", tally.refused);
    let unanswered = tally.sent - tally.receipts - tally.refused;
    table.checked("… without an answer", tally.unanswered, unanswered, "the others");
    table.checked("receipts that contradict an earlier one", tally.contradictions, 0, "0");

    let rows = "SELECT number, reference FROM orders ORDER BY number";
    let rows: Vec<(i64, i32)> = sqlx::query_as(rows).fetch_all(shop).await?;
    table.checked("orders", rows.len() as u64, keys, "keys");
    let receipts: BTreeSet<_> = tally.orders.iter().copied().collect();
    let known = rows.iter().filter(|(number, reference)| {
        u32::try_from(*reference).is_ok_and(|reference| receipts.contains(&(*number, reference)))
    });
    table.checked("… of which the receipt says the number", known.count() as u64, keys, "keys");
    let orders: BTreeSet<i64> = rows.iter().map(|(number, _)| *number).collect();

    let placed = Stream::read(context, ORDERS, |it: OrderPlaced| it.number).await?;
    table.told("messages about orders", placed.messages);
    table.told("… that a relay published again", placed.messages - placed.ids);
    table.checked("… ids of these messages", placed.ids, keys, "keys");
    let matching = placed.orders.intersection(&orders).count() as u64;
    table.checked("… orders that they are about", matching, keys, "keys");

    let warehouses = said.lines();
    let deliveries = |chosen: &dyn Fn(&str, u32) -> bool| -> u64 {
        let lines = warehouses.iter().filter_map(|(line, times)| {
            let (outcome, count) = line.split_once(' ')?;
            chosen(outcome, count.parse().ok()?).then_some(u64::from(*times))
        });
        lines.sum()
    };
    let all = deliveries(&|_, _| true);
    let executed = deliveries(&|outcome, _| outcome == "executed");
    let replayed = deliveries(&|outcome, _| outcome == "replayed");
    table.told("deliveries that a warehouse has settled", all);
    table.told("… of a message that was delivered before", deliveries(&|_, count| count > 1));
    table.told("… executed", executed);
    table.told("… replayed", replayed);
    table.told("… busy, failed, given back", all - executed - replayed);

    let rows = "SELECT order_number FROM shipments";
    let shipments: Vec<i64> = sqlx::query_scalar(rows).fetch_all(warehouse).await?;
    let shipped: BTreeSet<i64> = shipments.iter().copied().collect();
    table.checked("shipments", shipments.len() as u64, keys, "keys");
    let matching = shipped.intersection(&orders).count() as u64;
    table.checked("… orders that they are of", matching, keys, "keys");
    let unheard = (shipments.len() as u64).saturating_sub(executed);
    table.told("… of a warehouse that died before it said so", unheard);
    table.checked("… and the others", executed, keys - unheard, "executed deliveries");
    let dead = context.get_stream(DEAD).await?.cached_info().state.messages;
    table.checked("messages that are parked", dead, 0, "0");

    let sent = Stream::read(context, SHIPMENTS, |it: OrderShipped| it.number).await?;
    table.told("messages about shipments", sent.messages);
    table.told("… that a relay published again", sent.messages - sent.ids);
    table.checked("… ids of these messages", sent.ids, keys, "keys");
    let matching = sent.orders.intersection(&shipped).count() as u64;
    table.checked("… shipments that they are about", matching, keys, "keys");
    Ok(table)
}
