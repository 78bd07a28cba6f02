#!/usr/bin/env bash
# Rust package lapin 4.12.0 with RabbitMQ 3.10.8 (Debian's rabbitmq-server).
#
# Guess: a confirmation that is awaited for one publish tells about that publish. Confirmation::Ack(Some(message)) says
# that this mandatory message came back and Ack(None) that it reached a queue, whatever else the channel has in flight.
#
# Seen: the client keeps returned messages by channel and gives them to the confirmation that it completes next, and the
# broker returns a message at once and confirms when it has nothing else to do. With 400 publishes in flight on a channel,
# half of them for no queue, about one in ten of these is told that it arrived, and as many of the others that they came
# back. A publisher that goes on because its own confirmation says Ack(None) loses the message. One publish at a time on
# a channel is told rightly, and so is who compares what came back with what was sent.
set -euo pipefail

folder="$(mktemp -d)"
processes=()
cleanup() {
    for process in "${processes[@]}"; do kill "$process" 2>/dev/null || true; done
    wait
    rm -rf "$folder"
}
trap cleanup EXIT

broker=/usr/lib/rabbitmq/bin/rabbitmq-server
[[ -x "$broker" ]] || RUNLEVEL=1 apt-get install -y --no-install-recommends rabbitmq-server

mkdir "$folder/src"
cat >"$folder/Cargo.toml" <<'TOML'
[package]
name = "confirms"
version = "0.0.0"
edition = "2024"
[dependencies]
futures-util = { version = "0.3", default-features = false, features = ["alloc"] }
lapin = { version = "=4.12.0", default-features = false, features = ["tokio"] }
tokio = { version = "1", features = ["macros", "rt-multi-thread", "time"] }
[workspace]
TOML
cat >"$folder/src/main.rs" <<'RUST'
use std::error::Error;
use std::time::Duration;

use futures_util::future::try_join_all;
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Confirmation, Connection, ConnectionProperties};

async fn connect(url: &str) -> Result<Connection, lapin::Error> {
    let mut tries = 600;
    loop {
        match Connection::connect(url, ConnectionProperties::default()).await {
            Err(_) if tries > 0 => tries -= 1,
            answer => return answer,
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Publishes to a queue of this name, and tells whether its confirmation says that the message came back.
async fn came_back(channel: &Channel, queue: &str) -> Result<bool, lapin::Error> {
    let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
    let confirm = channel.basic_publish("".into(), queue.into(), options, b"order", BasicProperties::default()).await?;
    match confirm.await? {
        Confirmation::Ack(message) => Ok(message.is_some()),
        other => panic!("{other:?}"),
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let connection = connect(&std::env::args().nth(1).ok_or("no URL")?).await?;
    let channel = connection.create_channel().await?;
    channel.confirm_select(ConfirmSelectOptions::default()).await?;
    let options = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare("orders".into(), options, FieldTable::default()).await?;

    println!("alone: of the message for a queue {}, for no queue {}",
        came_back(&channel, "orders").await?, came_back(&channel, "nowhere").await?);
    let (mut sound, mut lost) = (0, 0);
    for _ in 0..20 {
        let all = (0..400).map(|index| came_back(&channel, if index % 2 == 0 { "orders" } else { "nowhere" }));
        for (index, back) in try_join_all(all).await?.into_iter().enumerate() {
            match (index % 2 == 0, back) {
                (false, false) => lost += 1,
                _ => sound += 1,
            }
        }
    }
    eprintln!("of 4000 messages for no queue, 400 publishes in flight: {lost} arrived, as they were told ({sound} others)");
    println!("in flight together, some for no queue arrived: {}", lost > 0);
    Ok(())
}
RUST
CARGO_TARGET_DIR="$folder/target" CARGO_PROFILE_DEV_DEBUG=0 nice cargo build --quiet --manifest-path "$folder/Cargo.toml"

read -r port names nodes < <(python3 - <<'PYTHON'
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(each.getsockname()[1] for each in sockets))
PYTHON
)
echo "listeners.tcp.1 = 127.0.0.1:$port" >"$folder/rabbitmq.conf"
export ERL_EPMD_PORT="$names" ERL_EPMD_ADDRESS=127.0.0.1
epmd -address 127.0.0.1 -port "$names" &
processes+=($!)
HOME="$folder" RUNNING_UNDER_SYSTEMD=true RABBITMQ_DIST_PORT="$nodes" RABBITMQ_NODENAME="confirms$port@localhost" \
    RABBITMQ_MNESIA_BASE="$folder/mnesia" RABBITMQ_LOG_BASE="$folder/logs" \
    RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf" RABBITMQ_CONF_ENV_FILE="$folder/none.conf" \
    RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins" "$broker" >"$folder/log" 2>&1 &
processes+=($!)

"$folder/target/debug/confirms" "amqp://guest:guest@127.0.0.1:$port/%2f" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN' || { echo "this is not what was seen before" >&2; exit 1; }
alone: of the message for a queue false, for no queue true
in flight together, some for no queue arrived: true
SEEN
