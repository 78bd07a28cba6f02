#!/usr/bin/env bash
# SQLite 3.53.4 (Python package apsw 3.53.4.0).
#
# Guess: when a statement fails because the database is full, either every such failure ends the
# transaction around it, or none does, so that an application can learn it once and rely on it.
#
# Seen: it depends on the statement. An INSERT of one large row that fails with SQLITE_FULL rolls the whole
# transaction back and leaves the connection in autocommit; CREATE TABLE … AS SELECT, which fails with the
# same SQLITE_FULL, leaves the transaction open with everything that was written before. Code that goes on
# after the error commits its next statements one by one in the first case only.
set -euo pipefail

folder="$(mktemp -d)"
trap 'rm -rf "$folder"' EXIT

python3 -m venv "$folder/python"
"$folder/python/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: apsw==3.53.4.0

"$folder/python/bin/python" - "$folder" <<'PYTHON'
import sys, apsw

def after_full(name, statement):
    connection = apsw.Connection(f"{sys.argv[1]}/{name}.db")
    connection.execute("PRAGMA page_size = 4096")
    connection.execute("PRAGMA max_page_count = 40")
    connection.execute("CREATE TABLE notes (text)")
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("INSERT INTO notes VALUES ('before')")
    try:
        connection.execute(statement)
        raise SystemExit("the database was not full")
    except apsw.FullError:
        pass
    is_open = connection.in_transaction
    kept = connection.execute("SELECT count(*) FROM notes WHERE text = 'before'").fetchone()[0]
    print(f"{name}: transaction open: {is_open}, rows written before: {kept}")
    return is_open, kept

print("SQLite", apsw.sqlite_lib_version())
insert = after_full("insert", "INSERT INTO notes VALUES (zeroblob(1000000))")
create = after_full("create-as", """
    CREATE TABLE copies AS
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)
    SELECT i, zeroblob(1000) AS data FROM n""")
if insert != (False, 0) or create != (True, 1):
    raise SystemExit("this is not what was seen before")
PYTHON
