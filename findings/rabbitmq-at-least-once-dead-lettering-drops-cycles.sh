#!/usr/bin/env bash
# RabbitMQ 3.10.8 (Debian's rabbitmq-server), asked by the Python package pika 1.3.2.
#
# Guess: a quorum queue with x-dead-letter-strategy at-least-once keeps a message until the queue behind its dead letter
# exchange has confirmed it; that is what the strategy is for. So a message that nobody takes may go round between a
# work queue whose messages expire and a delay queue behind it for as long as it likes, and is in one of them.
#
# Seen: it goes round once. The broker drops the message at the end of its first circle, since x-death names the queue
# that it comes to again and nobody rejected it on the way, and at-least-once does not change that: both queues are empty,
# and the message counts as confirmed. A consumer's reject anywhere in the circle makes the same circle endless. So a
# retry queue must get a copy that a client publishes, without the x-death of the message that it copies.
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
python3 -m pip install --quiet --root-user-action=ignore --no-deps --target "$folder/python" pika==1.3.2

read -r port names nodes < <(python3 - <<'PYTHON'
import socket
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(3)]
print(*(each.getsockname()[1] for each in sockets))
PYTHON
)
export HOME="$folder" ERL_EPMD_PORT="$names" ERL_EPMD_ADDRESS=127.0.0.1 RUNNING_UNDER_SYSTEMD=true
export RABBITMQ_DIST_PORT="$nodes" RABBITMQ_NODENAME="cycle$port@localhost" RABBITMQ_MNESIA_BASE="$folder/mnesia"
export RABBITMQ_LOG_BASE="$folder/logs" RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf"
export RABBITMQ_CONF_ENV_FILE="$folder/none.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins"
echo "listeners.tcp.1 = 127.0.0.1:$port" >"$folder/rabbitmq.conf"
epmd -address 127.0.0.1 -port "$names" &
processes+=($!)
"$broker" >"$folder/log" 2>&1 &
processes+=($!)

cat >"$folder/cycle.py" <<'PYTHON'
import sys
import time

import pika


def connect(port):
    for _ in range(600):
        try:
            return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
        except pika.exceptions.AMQPError:
            time.sleep(0.1)
    raise SystemExit("the broker does not start")


def queue(channel, name, behind):
    channel.queue_declare(name, durable=True, arguments={
        "x-queue-type": "quorum", "x-message-ttl": 400, "x-overflow": "reject-publish",
        "x-dead-letter-strategy": "at-least-once", "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": behind})


def take(channel, name, seconds):
    """A delivery from a queue within some time, or none."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        method, properties, _ = channel.basic_get(name)
        if method:
            return method, properties
        time.sleep(0.02)
    return None, None


def circles(channel, rejected):
    """How often a message that nobody takes for good comes to the work queue again."""
    work, delay = ("work-rejected", "delay-rejected") if rejected else ("work", "delay")
    queue(channel, work, delay)
    queue(channel, delay, work)
    channel.basic_publish("", work, b"order", pika.BasicProperties(delivery_mode=2), mandatory=True)
    count = 0
    for _ in range(4):
        if rejected:
            method, _ = take(channel, work, 3)
            if method:
                channel.basic_reject(method.delivery_tag, requeue=False)
        # It is in the delay queue for 0.4 s, seen there without being taken from it.
        if not seen(channel, delay):
            break
        count += 1
    return count


def seen(channel, name):
    end = time.monotonic() + 3
    while time.monotonic() < end:
        method, _ = take(channel, name, 0.5)
        if method:
            channel.basic_nack(method.delivery_tag, requeue=True)
            # Until it has expired there.
            time.sleep(0.6)
            return True
    return False


channel = connect(int(sys.argv[1])).channel()
channel.confirm_delivery()
print("passes through the delay queue, nobody rejects:", circles(channel, False))
time.sleep(1)
left = [channel.queue_declare(name, passive=True).method.message_count for name in ("work", "delay")]
print("left in both queues:", *left)
print("passes through the delay queue, a consumer rejects:", circles(channel, True))
PYTHON
PYTHONPATH="$folder/python" python3 "$folder/cycle.py" "$port" >"$folder/seen"
cat "$folder/seen"
diff "$folder/seen" - <<'SEEN' || { echo "this is not what was seen before" >&2; exit 1; }
passes through the delay queue, nobody rejects: 1
left in both queues: 0 0
passes through the delay queue, a consumer rejects: 4
SEEN
