#!/usr/bin/env bash
# PostgreSQL 15 (Debian, 15.18), Python package psycopg 3.3.9.
#
# Guess: BEGIN inside an open transaction does no harm, whatever is written after it: it warns that there is
# already a transaction, changes nothing, and the transaction goes on.
#
# Seen: that is so for a plain BEGIN, and for BEGIN ISOLATION LEVEL with the level that the transaction
# already has. With another level, the same BEGIN changes the level of the open transaction as long as no query
# has run in it; after the first query it fails with 25001 and leaves the transaction aborted, so that every
# later statement gets 25P02 and what was written is lost.
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

QUERY = "SELECT count(*) FROM pg_class"
OTHER = "BEGIN ISOLATION LEVEL SERIALIZABLE"
SAME = "BEGIN ISOLATION LEVEL READ COMMITTED"

def state(connection, statement):
    """The SQLSTATE of a statement, and its first value if it has one."""
    try:
        cursor = connection.execute(statement, prepare=False)
        return cursor.fetchone()[0] if cursor.description else "00000"
    except psycopg.Error as error:
        return error.sqlstate

def second_begin(name, first, begin, expected):
    connection = psycopg.connect(
        host="127.0.0.1", port=sys.argv[1], user="tester", dbname="postgres", autocommit=True)
    warnings = []
    connection.add_notice_handler(lambda notice: warnings.append(notice.sqlstate))
    state(connection, "BEGIN")
    if first:
        state(connection, first)
    seen = (state(connection, begin), warnings, state(connection, "SHOW transaction_isolation"))
    print(f"{name}: {seen}")
    connection.close()
    return seen == expected

print("PostgreSQL", psycopg.connect(host="127.0.0.1", port=sys.argv[1], user="tester",
                                    dbname="postgres").info.server_version)
WARNS = ["25001"]
as_before = [
    second_begin("plain BEGIN after a query", QUERY, "BEGIN", ("00000", WARNS, "read committed")),
    second_begin("the same level after a query", QUERY, SAME, ("00000", WARNS, "read committed")),
    second_begin("another level before any query", None, OTHER, ("00000", WARNS, "serializable")),
    second_begin("another level after a query", QUERY, OTHER, ("25001", WARNS, "25P02")),
]
if not all(as_before):
    raise SystemExit("this is not what was seen before")
PYTHON
