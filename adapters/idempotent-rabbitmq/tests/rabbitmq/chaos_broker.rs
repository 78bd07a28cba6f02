//! A RabbitMQ of its own, which a run kills.

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};
use idempotent_chaos::consumers::{Assignment, Broker, Parked};
use idempotent_rabbitmq::lapin::options::{
    BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions,
};
use idempotent_rabbitmq::lapin::types::FieldTable;
use idempotent_rabbitmq::lapin::{Channel, Connection, ConnectionProperties};
use idempotent_rabbitmq::{REASON, RabbitMqSource};
use idempotent_servers::RabbitMq;
use tokio::sync::Mutex;

use crate::broker::{CLASSIC, header, identified, text};

pub(crate) const NAME: &str = "rabbitmq";
const ORDERS: &str = "orders";
const DEAD: &str = "orders.dead";

/// A broker with a queue of messages and one of dead letters.
pub(crate) struct Killed {
    server: RabbitMq,
    /// Made anew when it is lost.
    link: Mutex<Option<(Connection, Channel)>>,
}

impl Killed {
    pub(crate) async fn start(kind: &str) -> Result<Self> {
        let killed = Self { server: RabbitMq::start().await, link: Mutex::default() };
        let channel = killed.channel().await?;
        for (name, kind) in [(ORDERS, kind), (DEAD, CLASSIC)] {
            let mut arguments = FieldTable::default();
            arguments.insert("x-queue-type".into(), text(kind));
            let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
            channel.queue_declare(name.into(), options, arguments).await?;
        }
        Ok(killed)
    }

    async fn channel(&self) -> Result<Channel> {
        let mut link = self.link.lock().await;
        if let Some((_, channel)) =
            link.as_ref().filter(|(_, channel)| channel.status().connected())
        {
            return Ok(channel.clone());
        }
        let url = self.server.url();
        let connection = Connection::connect(&url, ConnectionProperties::default()).await?;
        let channel = connection.create_channel().await?;
        channel.confirm_select(ConfirmSelectOptions::default()).await?;
        *link = Some((connection, channel.clone()));
        Ok(channel)
    }

    /// Messages that wait in the queue, as it knows itself.
    async fn ready(&self) -> Result<u64> {
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let channel = self.channel().await?;
        let queue = channel.queue_declare(ORDERS.into(), options, FieldTable::default()).await?;
        Ok(queue.message_count().into())
    }
}

/// The source of a worker.
pub(crate) fn source(assignment: &Assignment) -> RabbitMqSource {
    RabbitMqSource::new(assignment.broker_url(), ORDERS)
        .dead_letters(DEAD)
        .deadline(assignment.deadline())
}

impl Broker for Killed {
    const NAME: &'static str = NAME;

    fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// With heartbeats, by which it finds out that a worker stands still or is cut off.
    fn url_at(&self, address: SocketAddr) -> String {
        format!("amqp://guest:guest@{address}/%2f?heartbeat=2")
    }

    fn kill(&self) {
        self.server.kill();
    }

    async fn restart(&self) {
        self.server.restart().await;
    }

    async fn publish(&self, id: &str) -> Result<()> {
        let options = BasicPublishOptions { mandatory: true, immediate: false };
        let channel = self.channel().await?;
        let published =
            channel.basic_publish("".into(), ORDERS.into(), options, id.as_bytes(), identified(id));
        let confirmed = published.await?.await?;
        let is_stored = confirmed.is_ack() && confirmed.take_message().is_none();
        ensure!(is_stored, "it was refused");
        Ok(())
    }

    async fn left(&self) -> Result<u64> {
        let ready = self.ready().await?;
        if ready > 0 {
            return Ok(ready);
        }
        // Those in hand, and those that wait for their next delivery: the broker counts them once a second.
        let words = ["list_queues", "--quiet", "--no-table-headers", "name", "messages"];
        let listed = self.server.ctl(&words).await;
        let mut left = 0;
        for line in listed.lines() {
            let (name, messages) = line.split_once(char::is_whitespace).context("two columns")?;
            left += if name == DEAD { 0 } else { messages.trim().parse::<u64>()? };
        }
        Ok(left)
    }

    async fn parked(&self) -> Result<Vec<Parked>> {
        let (channel, options) = (self.channel().await?, BasicGetOptions { no_ack: true });
        let mut parked = Vec::new();
        while let Some(got) = channel.basic_get(DEAD.into(), options).await? {
            let key = String::from_utf8(got.delivery.data.clone())?.parse()?;
            parked.push(Parked { key, reason: header(&got.delivery.properties, REASON) });
        }
        Ok(parked)
    }
}
