#!/usr/bin/env bash
# PostgreSQL 15 (Debian, 15.18), Python package psycopg 3.3.9.
#
# Guess: statement_timestamp() = transaction_timestamp() holds in a statement that is the first of its
# transaction, so a function or trigger can learn from it that the statement runs alone (in autocommit).
#
# Seen: that holds over the simple query protocol only. Over the extended protocol, which drivers use as soon as
# a statement has parameters or is prepared, every one of the messages Parse, Bind and Execute sets the time of
# the statement anew, while the time of the transaction stays that of the first of them. So the two differ in
# every statement in autocommit, and the test says "inside a transaction" of each of them.
set -euo pipefail

programs=/usr/lib/postgresql/15/bin
folder="$(mktemp -d)"
server=""
clean_up() {
  if [ -n "$server" ]; then
    kill -INT "$server" || true
    wait "$server" || true
  fi
  rm -rf "$folder"
}
trap clean_up EXIT

# PostgreSQL does not run as root: root becomes the user that Debian's package made.
as_user=()
if [ "$(id -u)" = 0 ]; then
  as_user=(setpriv --reuid=postgres --regid=postgres --init-groups)
  chown postgres: "$folder"
fi
cd "$folder"
port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
"${as_user[@]}" "$programs/initdb" -D "$folder/data" -U tester -A trust --no-sync >"$folder/initdb.log"
"${as_user[@]}" "$programs/postgres" -D "$folder/data" -h 127.0.0.1 -p "$port" -k '' -F 2>"$folder/server.log" &
server=$!
for _ in $(seq 300); do
  "$programs/pg_isready" -q -h 127.0.0.1 -p "$port" && break
  sleep 0.1
done

python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
  psycopg==3.3.9 psycopg-binary==3.3.9

"$folder/python/bin/python" - "$port" <<'PYTHON'
import sys, psycopg

TEST = "SELECT statement_timestamp() = transaction_timestamp()"
TIMES = 200
connection = psycopg.connect(
    host="127.0.0.1", port=sys.argv[1], user="tester", dbname="postgres", autocommit=True)

def alone(name, run):
    count = sum(run().fetchone()[0] for _ in range(TIMES))
    print(f"{name}: equal in {count} of {TIMES} autocommit statements")
    return count

print("PostgreSQL", connection.info.server_version, "psycopg", psycopg.__version__)
# psycopg sends a statement without parameters over the simple protocol, unless it prepares it.
simple = alone("simple protocol", lambda: connection.execute(TEST, prepare=False))
extended = alone("extended protocol, with a parameter",
                 lambda: connection.execute(TEST + " AND %s::bool", [True], prepare=False))
prepared = alone("extended protocol, prepared before", lambda: connection.execute(TEST, prepare=True))
# The same microsecond may come up by chance, so a few equal ones are no change.
if simple != TIMES or max(extended, prepared) > TIMES // 20:
    raise SystemExit("this is not what was seen before")
PYTHON
