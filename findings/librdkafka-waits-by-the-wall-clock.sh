#!/usr/bin/env bash
# librdkafka 2.16.0, in the Python package confluent-kafka 2.16.0, under Debian's strace. No broker is needed.
#
# Guess: poll(1.5) of a client that retries for days waits by a clock that nobody sets, as a timeout of Python, Go or Rust does.
#
# Seen: the thread that polls, and each of the client's own, waits until a time of day (futex with FUTEX_CLOCK_REALTIME). Linux
# wakes such a waiter when the clock is set past that time, and lets it wait on when the clock is set back: a poll, a flush or the end
# of a producer that was to take a second takes as much longer as the clock was set back by, unless something happens in between.
# (The Python client cuts a poll into waits of a fifth of a second, each of which is one of these.)
# So whoever ends a producer does it on a thread that may be late, and bounds the wait by a timer of his own.
set -euo pipefail

command -v strace >/dev/null || { echo "Debian's package strace is needed"; exit 2; }
folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" --quiet install confluent-kafka==2.16.0
cat >"$folder/poll.py" <<'PYTHON'
import time

from confluent_kafka import Consumer, libversion

print("librdkafka", libversion()[0])
consumer = Consumer({"bootstrap.servers": "127.0.0.1:1", "group.id": "nobody", "log_level": 0})
consumer.poll(0)
# A mark in the trace.
time.sleep(0.01)
before = time.monotonic()
consumer.poll(1.5)
after = time.monotonic()
time.sleep(0.01)
print(f"poll(1.5) took {after - before:.1f} s")
consumer.close()
PYTHON
strace -f -ttt -o "$folder/trace" -e trace=futex,clock_nanosleep "$folder/venv/bin/python" "$folder/poll.py"
python3 - "$folder/trace" <<'PYTHON'
import re
import sys

lines = [line.split(maxsplit=2) for line in open(sys.argv[1])]
# The thread that polls slept before and after.
marks = [at for at, (_, _, call) in enumerate(lines) if call.startswith("clock_nanosleep(")]
start, end = marks[0], marks[1]
thread = lines[start][0]
assert lines[end][0] == thread
waits = [(float(when), who, call) for who, when, call in lines[start:end] if "FUTEX_WAIT" in call and "tv_sec" in call]
until = re.compile(r"tv_sec=(\d+), tv_nsec=(\d+)")


def left(when, call):
    seconds, nanoseconds = until.search(call).groups()
    return int(seconds) + int(nanoseconds) / 1e9 - when


polling = [(left(when, call), call) for when, who, call in waits if who == thread and "CLOCK_REALTIME" in call]
others = {who for _, who, call in waits if who != thread and "CLOCK_REALTIME" in call}
longest = max((wait for wait, _ in polling), default=0)
print(f"meanwhile the polling thread waited {len(polling)} times for a time of day, the farthest {longest:.1f} s ahead")
print(f"so did {len(others)} of the client's threads")
assert 0.1 < longest < 0.3 and others, "librdkafka has changed: a poll waits by another clock"
PYTHON
