#!/usr/bin/env python3
"""Reads what the benchmarks print, and draws the charts of README and RESULTS.md.

    benchmarks/charts/charts.py                     draws every chart from benchmarks/results/*.csv
    benchmarks/charts/charts.py --check             fails if a chart does not show its data
    benchmarks/charts/charts.py read redis < FILE   writes results/redis.csv from a benchmark's output
    benchmarks/charts/charts.py table redis         prints results/redis.csv as a Markdown table

The benchmarks are `memory` (cargo bench, `--bench embedded`), `redis`, `postgres`, `steps`, `http` and `revisions`.
Needs Python 3.9 or newer and nothing else.
"""

import csv
import datetime
import os
import sys
from html import escape
from pathlib import Path

sys.dont_write_bytecode = True

import chart  # noqa: E402
import output  # noqa: E402

HERE = Path(__file__).resolve().parent
RESULTS = HERE.parent / "results"
COLUMNS = ["date", "machine", "setup", "case", "records", "tasks", "side", "microseconds", "ratio"]

LIMIT, OURS, PEER, NEAR = "limit", "idempotent-core", "idempotent 2.0", "near cache"


def load(benchmark):
    with open(RESULTS / f"{benchmark}.csv", newline="") as file:
        return list(csv.DictReader(file))


def pick(rows, side, **wanted):
    """The one row of a side, or None."""
    for row in rows:
        if row["side"] == side and all(row[name] == value for name, value in wanted.items()):
            return row
    return None


def bar(series, row):
    label = f"{row['microseconds']} µs"
    if row["ratio"]:
        label += f"  ({row['ratio']} ×)"
    return chart.Bar(series, float(row["microseconds"]), label)


def ratio_bar(series, row):
    return chart.Bar(series, float(row["ratio"]), f"{row['ratio']} ×")


def note(rows, how):
    latest = max(rows, key=lambda row: row["date"])
    return f"{how}; {latest['machine']}, {latest['date']}"


def groups(make, names, sides, rows, **shared):
    """One group a name, one bar a side that has a row."""
    for label, wanted in names:
        found = [(series, pick(rows, side, **shared, **wanted)) for side, series in sides]
        bars = [make(series, row) for series, row in found if row]
        if bars:
            yield chart.Group(label, bars)


def redis(tasks, title):
    rows = load("redis")
    names = [
        ("replay, Redis 7.0", {"setup": "Redis 7.0", "case": "replay"}),
        ("execute, Redis 7.0", {"setup": "Redis 7.0", "case": "execute"}),
        ("execute, Valkey 9.1", {"setup": "Valkey 9.1", "case": "execute"}),
    ]
    sides = [(LIMIT, "plain"), (OURS, "ours"), (PEER, "peer"), (NEAR, "near")]
    return chart.Chart(
        title=title,
        subtitle="Microseconds per call, lower is better; in brackets, times the plain commands",
        series={
            "plain": "the plain commands",
            "ours": "idempotent-core",
            "peer": "the crate idempotent 2.0",
            "near": "idempotent-core with NearCache",
        },
        groups=list(groups(bar, names, sides, rows, records="1000", tasks=tasks)),
        note=note(rows, "1,000 keys in the server, results of 177 bytes, TCP_NODELAY off"),
    )


def nodelay():
    rows = load("redis")
    names = [
        (f"{case}, {server}", {"setup": f"{server} with TCP_NODELAY", "case": case})
        for case, server in [("replay", "Redis 7.0"), ("execute", "Redis 7.0"), ("execute", "Valkey 9.1")]
    ]
    sides = [(LIMIT, "plain"), (OURS, "ours")]
    return chart.Chart(
        title="The same with TCP_NODELAY, 64 tasks",
        subtitle="Microseconds per call, lower is better; in brackets, times the plain commands",
        series={"plain": "the plain commands", "ours": "idempotent-core"},
        groups=list(groups(bar, names, sides, rows, records="1000", tasks="64")),
        note=note(rows, "1,000 keys in the server, results of 177 bytes"),
    )


def memory():
    rows = load("memory")
    names = [
        (f"{case}, {int(records):,} records", {"case": case, "records": records})
        for case in ["replay", "execute"]
        for records in ["1000", "1000000"]
    ]
    made = []
    for label, wanted in names:
        bars = [
            chart.Bar(series, float(row["ratio"]), f"{row['ratio']} ×  ({row['microseconds']} µs)")
            for tasks, series in [("1", "one"), ("64", "many")]
            if (row := pick(rows, OURS, tasks=tasks, **wanted))
        ]
        made.append(chart.Group(label, bars))
    return chart.Chart(
        title="In memory, beside the least a memoizer can do",
        subtitle="Times the limit, lower is better; in brackets, the time of a call",
        series={"one": "one task", "many": "64 tasks"},
        groups=made,
        note=note(rows, "results of 177 bytes, keys of 32"),
        reference=(1.0, "the limit"),
    )


def postgres():
    rows = load("postgres")
    cases = [
        ("replay", OURS, "replay"),
        ("execute", OURS, "execute"),
        ("replay", "shared pool", "replay, application's pool"),
        ("execute", "in a transaction", "execute, in a transaction"),
        ("replay", "in a transaction", "replay, in a transaction"),
    ]
    made = []
    for case, side, label in cases:
        for records in ["10000", "5000000"]:
            bars = [
                ratio_bar(series, row)
                for tasks, series in [("1", "one"), ("64", "many")]
                if (row := pick(rows, side, case=case, records=records, tasks=tasks))
            ]
            if bars:
                made.append(chart.Group(f"{label}; {int(records):,} rows", bars))
    return chart.Chart(
        title="On PostgreSQL 15, beside the plain statements",
        subtitle="Times the plain statements, lower is better",
        series={"one": "one task", "many": "64 tasks"},
        groups=made,
        note=note(rows, "results of 177 bytes, keys of 32, fsync off"),
        reference=(1.0, "the plain statements"),
    )


def steps():
    rows = [row for row in load("steps") if row["case"] == "ten steps"]
    made = []
    for tasks, label in [("1", "one task"), ("64", "64 tasks")]:
        found = [
            (series, pick(rows, side, setup="PostgreSQL 15", tasks=tasks))
            for side, series in [("durare 0.5", "peer"), ("plain statements", "plain"), (OURS, "ours")]
        ]
        bars = [
            chart.Bar(series, 1e6 / float(row["microseconds"]), f"{1e6 / float(row['microseconds']):,.0f}")
            for series, row in found
            if row
        ]
        made.append(chart.Group(label, bars))
    return chart.Chart(
        title="Calls of ten steps on PostgreSQL 15",
        subtitle="Calls a second, higher is better",
        series={
            "peer": "the crate durare 0.5",
            "plain": "twelve plain statements",
            "ours": "idempotent-core",
        },
        groups=made,
        note=note(rows, "results of 177 bytes, fsync on, ten connections a side"),
    )


def revisions():
    rows = load("revisions")
    names = [
        (f"{case}, {label}, fsync {fsync}", {"case": case, "tasks": tasks}, f"fsync {fsync}")
        for case in ["execute", "replay"]
        for fsync in ["on", "off"]
        for tasks, label in [("256", "256 tasks"), ("64", "64 tasks"), ("1", "one task")]
    ]
    made = []
    for label, wanted, fsync in names:
        bars = [
            ratio_bar(series, row)
            for version, series in [("15", "one"), ("18", "many")]
            if (row := pick(rows, OURS, setup=f"PostgreSQL {version}, {fsync}", **wanted))
        ]
        if bars:
            made.append(chart.Group(label, bars))
    return chart.Chart(
        title="Calls a second on PostgreSQL, beside revision 637d960",
        subtitle="Times that revision's rate, higher is better",
        series={"one": "PostgreSQL 15", "many": "PostgreSQL 18"},
        groups=made,
        note=note(rows, "results of 177 bytes, ten connections a side, in turns"),
        reference=(1.0, "637d960, each write alone"),
    )


def peers():
    rows = load("revisions")
    names = [
        (f"{case}, {setup}, {label}", {"setup": setup, "case": case, "tasks": tasks})
        for setup in ["memory", "Redis 7.0"]
        for case in ["replay", "execute"]
        for tasks, label in [("1", "one task"), ("64", "64 tasks")]
    ]
    sides = [(PEER, "peer"), ("cached 4.1", "plain")]
    return chart.Chart(
        title="A call of other crates, beside one of idempotent-core",
        subtitle="Times as long, higher is slower",
        series={"peer": "idempotent 2.0", "plain": "cached 4.1, which reserves nothing on Redis"},
        groups=list(groups(ratio_bar, names, sides, rows)),
        note=note(rows, "results of 177 bytes, keys of 32, in turns"),
        reference=(1.0, "idempotent-core"),
    )


def http():
    rows = load("http")
    names = [(case, {"case": case}) for case in ["without a key", "replay", "first run"]]
    sides = [
        ("empty layer", "plain"),
        (OURS, "ours"),
        ("body by its bytes", "near"),
        (PEER, "peer"),
    ]
    return chart.Chart(
        title="What the HTTP layer adds to an axum route",
        subtitle="Microseconds per request on top of the bare route, lower is better",
        series={
            "plain": "an empty layer",
            "ours": "idempotent-core",
            "near": "the same, body compared by its bytes",
            "peer": "the crate idempotent 2.0",
        },
        groups=list(groups(bar, names, sides, rows)),
        note=note(rows, "in process, one task, store in memory, bodies of 200 bytes"),
    )


def charts():
    return {
        "redis-64-tasks": redis("64", "A call on Redis and Valkey, 64 tasks at once"),
        "redis-one-task": redis("1", "A call on Redis and Valkey, one task"),
        "redis-nodelay": nodelay(),
        "memory": memory(),
        "postgres": postgres(),
        "steps": steps(),
        "revisions": revisions(),
        "peers": peers(),
        "http": http(),
    }


def draw():
    for name, made in charts().items():
        for theme in chart.THEMES:
            yield HERE / f"{name}-{theme}.svg", made.svg(theme)


def table(benchmark):
    print("| " + " | ".join(COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for row in load(benchmark):
        print("| " + " | ".join(escape(row[column], quote=False) for column in COLUMNS) + " |")


def read(benchmark):
    today, machine = datetime.date.today().isoformat(), f"{os.cpu_count()} cores"
    rows = output.READERS[benchmark](sys.stdin.read())
    if not rows:
        sys.exit(f"no line of the benchmark `{benchmark}` in the input")
    with open(RESULTS / f"{benchmark}.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows({"date": today, "machine": machine, **row} for row in rows)
    print(f"{len(rows)} rows in results/{benchmark}.csv")


def main(arguments):
    if not arguments:
        for path, svg in draw():
            path.write_text(svg)
    elif arguments == ["--check"]:
        stale = [path.name for path, svg in draw() if not path.exists() or path.read_text() != svg]
        if stale:
            sys.exit(f"drawn from other data, run charts.py: {', '.join(stale)}")
    elif len(arguments) == 2 and arguments[0] == "read" and arguments[1] in output.READERS:
        read(arguments[1])
    elif len(arguments) == 2 and arguments[0] == "table" and arguments[1] in output.READERS:
        table(arguments[1])
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
