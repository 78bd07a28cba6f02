#!/usr/bin/env bash
# RabbitMQ 3.10.8 (Debian's rabbitmq-server), asked by the Python package pika 1.3.2.
#
# Guess: a mandatory message to a queue that another client is just declaring is returned as unroutable while there is no queue,
# and is stored and confirmed from then on. So a producer that starts beside its consumer publishes until nothing is returned.
#
# Seen: in between, the broker routes the message to a quorum queue that has no leader yet, and refuses it (basic.nack) without
# returning it; a classic queue was never seen to. A producer that looks at returned messages alone takes that for stored. Clients that
# give a refusal as a value make it easy: lapin's Confirmation::Nack(None) is an Ok with no returned message.
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
export RABBITMQ_DIST_PORT="$nodes" RABBITMQ_NODENAME="young$port@localhost" RABBITMQ_MNESIA_BASE="$folder/mnesia"
export RABBITMQ_LOG_BASE="$folder/logs" RABBITMQ_CONFIG_FILE="$folder/rabbitmq.conf"
export RABBITMQ_CONF_ENV_FILE="$folder/none.conf" RABBITMQ_ENABLED_PLUGINS_FILE="$folder/plugins"
echo "listeners.tcp.1 = 127.0.0.1:$port" >"$folder/rabbitmq.conf"
epmd -address 127.0.0.1 -port "$names" &
processes+=($!)
"$broker" >"$folder/log" 2>&1 &
processes+=($!)

cat >"$folder/young.py" <<'PYTHON'
import sys
import threading
import time

import pika
from pika.exceptions import NackError, UnroutableError

QUEUES = 150


def connect(port):
    for _ in range(600):
        try:
            return pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port))
        except pika.exceptions.AMQPError:
            time.sleep(0.1)
    raise SystemExit("the broker does not start")


def declare(port, names, kind, ready):
    connection = connect(port)
    channel = connection.channel()
    for name in names:
        ready.acquire()
        channel.queue_declare(name, durable=True, arguments={"x-queue-type": kind})
    connection.close()


def answers(port, kind):
    """What a producer is told of messages to queues that are being declared meanwhile."""
    names = [f"{kind}-{number}" for number in range(QUEUES)]
    ready = threading.Semaphore(0)
    declaring = threading.Thread(target=declare, args=(port, names, kind, ready))
    declaring.start()
    connection = connect(port)
    channel = connection.channel()
    channel.confirm_delivery()
    returned = refused = stored = 0
    for name in names:
        ready.release()
        while True:
            try:
                channel.basic_publish("", name, b"order", pika.BasicProperties(delivery_mode=2), mandatory=True)
                stored += 1
                break
            except UnroutableError:
                returned += 1
            except NackError:
                refused += 1
    declaring.join()
    connection.close()
    return returned, refused, stored


port = int(sys.argv[1])
for kind in ("classic", "quorum"):
    returned, refused, stored = answers(port, kind)
    print(f"{kind}: {QUEUES} queues, {returned} times returned, {refused} times refused, then {stored} confirmed")
    assert stored == QUEUES
    assert (refused > 0) == (kind == "quorum"), "this is not what was seen before"
PYTHON
PYTHONPATH="$folder/python" python3 "$folder/young.py" "$port"
