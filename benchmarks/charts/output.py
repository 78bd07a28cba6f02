"""What the benchmarks print, as rows of their CSV files."""

import re

UNITS = {"ps": 1e-6, "ns": 1e-3, "µs": 1.0, "us": 1.0, "ms": 1e3, "s": 1e6}
PLAN = re.compile(r"(Execute|Replay), (\d+) tasks, (\d+) keys in the server at first")
SIDE = re.compile(r"  (\S.*?) +(\d+) ns +([\d.]+) x \(")
REQUESTS = re.compile(r"(WithoutKey|Replay|FirstRun), (\d+) tasks: ns for a request")
LAYER = re.compile(r"  (\S.*?) +(\d+) +([+-]\d+) +\d+ +[+-]\d+")

SIDES = {
    "plain commands": "limit",
    "plain statements": "limit",
    "by hand": "limit, in a transaction",
    "… the second by script": "the second by script",
    "idempotent-core, near": "near cache",
    "idempotent-core, on a pool": "shared pool",
    "run_in": "in a transaction",
    "an empty layer": "empty layer",
    "… body by its bytes": "body by its bytes",
}
SERVERS = {
    "Redis": "Redis 7.0",
    "Valkey91": "Valkey 9.1",
    "Distribution": "PostgreSQL 15",
    "V18": "PostgreSQL 18",
}


def three_digits(microseconds):
    """As precise as a measurement is: 64, 2.4, 0.27."""
    return f"{microseconds:.0f}" if microseconds >= 20 else f"{microseconds:.2g}"


def memory(text):
    """criterion's lines, and the ratio that follows each pair of them."""
    row = r"(replay|execute)/(\d+) records/(\d+) tasks"
    time = re.compile(row + r"/(limit|ours)\s+time:\s+\[\S+ \S+ ([\d.]+) (\S+) \S+ \S+\]")
    ratios = {match.groups()[:3]: match[4] for match in re.finditer(row + r": ([\d.]+) x the limit", text)}
    rows = []
    for match in time.finditer(text):
        case, records, tasks, side, value, unit = match.groups()
        ours = side == "ours"
        rows.append({
            "setup": "MemoryStore", "case": case, "records": records, "tasks": tasks,
            "side": "idempotent-core" if ours else "limit",
            "microseconds": three_digits(float(value) * UNITS[unit]),
            "ratio": ratios.get((case, records, tasks), "") if ours else "",
        })
    return rows


def server(text):
    """Plans, and below each a line a side: both of Redis and of PostgreSQL."""
    rows, setup, sockets, plan = [], "", "", None
    for line in text.splitlines():
        if line in SERVERS:
            setup = SERVERS[line]
        elif line in ("With TCP_NODELAY", "Without TCP_NODELAY"):
            sockets = " with TCP_NODELAY" if line.startswith("With ") else ""
        elif match := PLAN.fullmatch(line):
            plan = match.groups()
        elif (match := SIDE.match(line)) and plan:
            case, tasks, records = plan
            name, nanoseconds, ratio = match.groups()
            side = SIDES.get(name, name)
            rows.append({
                "setup": setup + sockets, "case": case.lower(), "records": records, "tasks": tasks,
                "side": side, "microseconds": three_digits(int(nanoseconds) / 1000),
                "ratio": "" if side.startswith("limit") else ratio,
            })
    return rows


def http(text):
    """What a request takes more than on the bare route, in process and from one task."""
    cases = {"WithoutKey": "without a key", "Replay": "replay", "FirstRun": "first run"}
    rows, plan = [], None
    for line in text.splitlines():
        if match := REQUESTS.match(line):
            plan = match.groups()
        elif (match := LAYER.match(line)) and plan and plan[1] == "1":
            name, _, more = match.groups()
            if name != "bare route":
                rows.append({
                    "setup": "in process", "case": cases[plan[0]], "records": "1000", "tasks": "1",
                    "side": SIDES.get(name, name), "microseconds": three_digits(int(more) / 1000),
                })
    return rows


def steps(text):
    """Calls of ten steps: a line for the server, one for the tasks, and one a side; and runs that resume."""
    setups = {
        "Memory": "MemoryStore",
        "Redis": "Redis 7.0",
        "Valkey91": "Valkey 9.1",
        "PostgreSQL 15": "PostgreSQL 15",
    }
    sides = {
        "an execution and ten inserts": "limit",
        "plain commands": "limit",
        "twelve plain statements": "plain statements",
        "… without steps": "without steps",
        "… each write alone": "each write alone",
    }
    resumed = re.compile(r"(\S.*): 10,000 steps resume in ([\d.]+) ms(?:, by hand ([\d.]+) ms, ([\d.]+) x)?")
    side = re.compile(r"  (\S.*?) +(\d+) ns +\d+ a second +([\d.]+) x \(")
    rows, setup, tasks = [], "", ""
    for line in text.splitlines():
        if match := resumed.match(line):
            name, ours, by_hand, ratio = match.groups()
            row = {"setup": setups[name], "case": "resume 10000 steps", "records": "", "tasks": "1"}
            if by_hand:
                limit = {"side": "limit", "microseconds": three_digits(float(by_hand) * 1000)}
                rows.append({**row, **limit, "ratio": ""})
            ours = three_digits(float(ours) * 1000)
            rows.append({**row, "side": "idempotent-core", "microseconds": ours, "ratio": ratio or ""})
        elif match := re.fullmatch(r"Ten steps, (\d+) tasks", line):
            tasks = match[1]
        elif match := side.match(line):
            name, nanoseconds, ratio = match.groups()
            name = sides.get(name, name)
            rows.append({
                "setup": setup, "case": "ten steps", "records": "", "tasks": tasks, "side": name,
                "microseconds": three_digits(int(nanoseconds) / 1000),
                "ratio": "" if name in ("limit", "durare 0.5") else ratio,
            })
        elif line.split(",")[0] in setups:
            sockets = " with TCP_NODELAY" if line.endswith("with TCP_NODELAY") else ""
            setup = setups[line.split(",")[0]] + sockets
    return rows


def revisions(text):
    """Turns beside an older revision. A ratio is to that revision: of the rate, of the 99th percentile, of what a call
    takes of the server; and beside other crates how many times as long as a call of this revision they take."""
    header = re.compile(r"(Distribution|V18), (fsync \w+)|In memory|Redis")
    plan = re.compile(r"(Execute|Replay), (\d+|one) tasks?( while (\d+) execute|: of the server, a call)?")
    ratio = r"([\d.]+) x \([\d.]+ to [\d.]+\)"
    rate = re.compile(rf"  (\S.*?) +(\d+)   {ratio} +{ratio}")
    slowest = re.compile(r"  (\S.*?) +[\d.]+ ms, p99 +([\d.]+) ms of \d+ calls, ([\d.]+) x")
    taken = re.compile(r"  (\S.*?) +(\d+) bytes of log, +([\d.]+) µs, +([\d.]+) transactions")
    names = {"older revision": "637d960", "this revision": "idempotent-core"}
    rows, setup, case, tasks, older = [], "", "", "", {}
    for line in text.splitlines():
        if match := header.fullmatch(line):
            setup = f"{SERVERS[match[1]]}, {match[2]}" if match[1] else {"Redis": "Redis 7.0"}.get(line, "memory")
        elif match := plan.fullmatch(line):
            case, tasks, older = match[1].lower(), match[2].replace("one", "1"), {}
            if match[4]:
                case = f"p99 of {case} while {match[4]} execute"
        elif match := slowest.match(line) or taken.match(line) or rate.match(line):
            side = names.get(match[1], match[1])
            row = {"setup": setup, "case": case, "records": "", "tasks": tasks, "side": side}
            if match.re is slowest:
                rows.append({**row, "microseconds": three_digits(float(match[2]) * 1000), "ratio": match[3]})
            elif match.re is rate:
                beside_postgres = setup.startswith("PostgreSQL")
                time = 1e6 / float(match[2]) if beside_postgres else float(match[2]) / 1000
                rows.append({**row, "microseconds": three_digits(time), "ratio": match[3]})
            else:
                for what, value in zip(["log", "server"], match.groups()[1:]):  # the statements are rough
                    first = older.setdefault(what, float(value))
                    if first:
                        own = {"case": f"{case}: {what}", "ratio": f"{float(value) / first:.2f}"}
                        rows.append({**row, **own, "microseconds": value if what == "server" else ""})
    return rows


READERS = {
    "memory": memory, "redis": server, "postgres": server, "http": http, "steps": steps,
    "revisions": revisions,
}
