//! What makes a store in Redis or Valkey weaker.

use idempotent_core::backends::ServerSettings;

use super::checkup::Checkup;
use super::checkup::Severity::{Error, Note, Warning};

pub(super) fn check(checkup: &mut Checkup, server: &ServerSettings) {
    checkup.servers.push(server.server.clone());
    persistence(checkup, server);
    eviction(checkup, server);
    replication(checkup, server);
    checkup.clock(server);
}

fn persistence(checkup: &mut Checkup, server: &ServerSettings) {
    let at = server.server.as_str();
    let appends = checkup.ask(server, "aof_enabled") == Some("1");
    let save = checkup.ask(server, "save");
    let nothing = !appends && save == Some("");
    checkup.check(
        at,
        ("no-persistence", Error),
        nothing.then(|| "neither appendonly nor save is on".to_owned()),
        "A restart forgets every record: retries of calls that have finished run again.",
        "CONFIG SET appendonly yes, and the same in redis.conf",
    );
    let snapshots = !appends && save.is_some_and(|save| !save.is_empty());
    checkup.check(
        at,
        ("snapshots-only", Warning),
        snapshots.then(|| format!("appendonly is off, and save is {:?}", save.unwrap_or_default())),
        "A restart forgets what was recorded after the last snapshot: retries of these calls run again.",
        "CONFIG SET appendonly yes, and the same in redis.conf",
    );
    let fsync = checkup.ask(server, "appendfsync").filter(|_| appends);
    checkup.check(
        at,
        ("appendfsync-no", Warning),
        (fsync == Some("no")).then(|| "appendfsync is no".to_owned()),
        "If the machine fails, what was recorded in the last half minute or so is gone.",
        "CONFIG SET appendfsync everysec, or always, and the same in redis.conf",
    );
    checkup.check(
        at,
        ("appendfsync-everysec", Note),
        (fsync == Some("everysec")).then(|| "appendfsync is everysec".to_owned()),
        "If the machine fails, what was recorded in the last second or two is gone.",
        "CONFIG SET appendfsync always, and the same in redis.conf, if that is too much",
    );
    let failing = ["aof_last_write_status", "aof_last_bgrewrite_status", "rdb_last_bgsave_status"];
    let failing = failing.into_iter().find(|name| server.get(name).is_some_and(|it| it != "ok"));
    checkup.check(
        at,
        ("persistence-fails", Error),
        failing.map(|name| format!("{name} is {}", server.get(name).unwrap_or_default())),
        "What is on the disk is old, and a restart goes back to it. Writes may be refused.",
        "look into the server's log, and make room on its disk or mend its rights",
    );
}

fn eviction(checkup: &mut Checkup, server: &ServerSettings) {
    let at = server.server.as_str();
    let number = |name| server.get(name).and_then(|value| value.parse::<u64>().ok());
    let policy = checkup.ask(server, "maxmemory_policy").filter(|policy| *policy != "noeviction");
    checkup.check(
        at,
        ("eviction-policy", Error),
        policy.map(|policy| format!("maxmemory-policy is {policy}")),
        "Every record has a ttl, so a server that is full evicts records, also of running calls: retries run again.",
        "CONFIG SET maxmemory-policy noeviction, and the same in redis.conf",
    );
    let evicted = number("evicted_keys").filter(|keys| *keys > 0);
    checkup.check(
        at,
        ("evicted", Error),
        evicted.map(|keys| format!("{keys} keys have been evicted since the server was started")),
        "If records were among them, their calls may have run again.",
        "set noeviction, then CONFIG RESETSTAT; give the store a server of its own",
    );
    let (used, most) = (number("used_memory"), number("maxmemory").filter(|most| *most > 0));
    let full = used.zip(most).filter(|(used, most)| *used > *most / 10 * 9);
    checkup.check(
        at,
        ("memory-nearly-full", Warning),
        full.map(|(used, most)| format!("{used} of {most} bytes are used")),
        "A full server refuses new calls; results still replay.",
        "CONFIG SET maxmemory to more, or keep results for less time",
    );
}

fn replication(checkup: &mut Checkup, server: &ServerSettings) {
    let at = server.server.as_str();
    let is_replica = checkup.ask(server, "role").is_some_and(|role| role != "master");
    checkup.check(
        at,
        ("replica", Error),
        is_replica.then(|| "it is a replica".to_owned()),
        "New calls are refused, and what it shows may be old.",
        "connect to the primary, or through Sentinel or the cluster",
    );
    let in_cluster = server.get("cluster_enabled") == Some("1");
    let factor =
        if in_cluster { checkup.ask(server, "cluster-replica-validity-factor") } else { None };
    checkup.check(
        at,
        ("stale-replica", Error),
        (factor == Some("0")).then(|| "cluster-replica-validity-factor is 0".to_owned()),
        "A replica is elected however stale it is, an empty one too: records vanish, and retries run again.",
        "CONFIG SET cluster-replica-validity-factor 10 on every node, and the same in redis.conf",
    );
    let replicas = server.get("connected_slaves").and_then(|count| count.parse::<u64>().ok());
    let replicas = replicas.filter(|replicas| *replicas > 0);
    let minimum = replicas.and_then(|_| checkup.ask(server, "min-replicas-to-write"));
    checkup.check(
        at,
        ("asynchronous-replication", Note),
        replicas.filter(|_| minimum == Some("0")).map(|replicas| {
            format!("it has {replicas} replicas, and waits for none of them")
        }),
        "After a failover the last records are gone, unless the application waits with min_replicas.",
        "RedisStoreBuilder::min_replicas in the application; CONFIG SET min-replicas-to-write 1 on the servers",
    );
    let lagging = server.values.iter().find(|(name, value)| {
        let is_replica = name.strip_prefix("slave").is_some_and(|number| {
            !number.is_empty() && number.bytes().all(|digit| digit.is_ascii_digit())
        });
        let lag = value.split(',').find_map(|part| part.strip_prefix("lag="));
        let lags = lag.and_then(|lag| lag.parse::<i64>().ok()).is_some_and(|lag| lag > 10);
        is_replica && (lags || !value.contains("state=online"))
    });
    checkup.check(
        at,
        ("replica-lags", Warning),
        lagging.map(|(name, value)| format!("{name}: {value}")),
        "If it is elected, the records that it lacks are gone.",
        "look into the log of that replica, and at the network to it",
    );
}
