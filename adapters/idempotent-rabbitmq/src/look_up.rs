//! Whether a broker has a queue or an exchange.
//!
//! Each is asked for on a channel of its own, which a refusal closes.

use lapin::options::{ExchangeDeclareOptions, QueueDeclareOptions};
use lapin::types::{FieldTable, ShortString};
use lapin::{Connection, ErrorKind, ExchangeKind};

const NOT_FOUND: u16 = 404;

pub(crate) async fn queue(connection: &Connection, name: &ShortString) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(name.clone(), options, FieldTable::default()).await.map(drop)
}

pub(crate) async fn exchange(connection: &Connection, name: &ShortString) -> lapin::Result<()> {
    let channel = connection.create_channel().await?;
    let options = ExchangeDeclareOptions { passive: true, ..ExchangeDeclareOptions::default() };
    let kind = ExchangeKind::Direct;
    channel.exchange_declare(name.clone(), kind, options, FieldTable::default()).await
}

/// Whether the broker says that there is no such thing.
pub(crate) fn is_missing(error: &lapin::Error) -> bool {
    matches!(error.kind(), ErrorKind::ProtocolError(why) if why.get_id() == NOT_FOUND)
}
