//! The streams, and how to connect to them.

use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::jetstream::consumer::{PullConsumer, pull};
use async_nats::jetstream::{self, Context, stream};

use crate::Failure;

pub(crate) const ORDERS: &str = "ORDERS";
pub(crate) const SHIPMENTS: &str = "SHIPMENTS";
pub(crate) const DEAD: &str = "DEAD";
pub(crate) const DEAD_LETTERS: &str = "dead.orders";
pub(crate) const WAREHOUSE: &str = "warehouse";

/// After this long the server delivers again what a dead warehouse had in hand. In production, 30 to 60 seconds.
const ACK_WAIT: Duration = Duration::from_secs(2);

/// How long the server drops what is published again. So short that it rarely does: a relay that is away for longer than
/// the usual two minutes has the same effect.
const DUPLICATE_WINDOW: Duration = Duration::from_millis(100);

/// A connection that comes back soon after the broker does.
pub(crate) async fn connect(broker: &str) -> Result<Context, Failure> {
    let soon = |_| Duration::from_millis(50);
    let options = ConnectOptions::new().reconnect_delay_callback(soon).retry_on_initial_connect();
    Ok(jetstream::new(options.connect(broker).await?))
}

/// Creates the streams, and the warehouse's consumer.
pub(crate) async fn prepare(context: &Context) -> Result<PullConsumer, Failure> {
    for (name, subjects) in [(SHIPMENTS, "shipments.>"), (DEAD, "dead.>")] {
        context.create_stream(stream(name, subjects)).await?;
    }
    let orders = context.create_stream(stream(ORDERS, "orders.>")).await?;
    let warehouse = pull::Config {
        durable_name: Some(WAREHOUSE.to_owned()),
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        ..pull::Config::default()
    };
    Ok(orders.create_consumer(warehouse).await?)
}

fn stream(name: &str, subjects: &str) -> stream::Config {
    stream::Config {
        name: name.to_owned(),
        subjects: vec![subjects.to_owned()],
        duplicate_window: DUPLICATE_WINDOW,
        ..stream::Config::default()
    }
}
