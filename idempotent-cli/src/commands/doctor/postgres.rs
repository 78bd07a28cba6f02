//! What makes a store in PostgreSQL weaker.

use std::time::Duration;

use idempotent_core::backends::ServerSettings;

use super::checkup::Checkup;
use super::checkup::Severity::{Error, Note, Warning};

/// A step of the application's store may take as long as `response_timeout`, so a server that ends it earlier makes calls
/// fail.
pub(super) fn check(checkup: &mut Checkup, server: &ServerSettings, response_timeout: Duration) {
    checkup.servers.push(server.server.clone());
    durability(checkup, server);
    replication(checkup, server);
    roles(checkup, server, response_timeout);
    upkeep(checkup, server);
    checkup.clock(server);
}

fn durability(checkup: &mut Checkup, server: &ServerSettings) {
    let at = server.server.as_str();
    let is_off = |value: Option<&str>| value == Some("off");
    for (code, name, means) in [
        (
            "fsync",
            "fsync",
            "If the machine fails, the database may be damaged, and commits are gone.",
        ),
        (
            "full-page-writes",
            "full_page_writes",
            "If the machine fails while a page is written, the database is damaged.",
        ),
    ] {
        let value = checkup.ask(server, name);
        let weak = is_off(value).then(|| format!("{name} is off"));
        let mend = format!("ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();");
        checkup.check(at, (code, Error), weak, means, mend);
    }
    let commits = checkup.ask(server, "synchronous_commit");
    checkup.check(
        at,
        ("synchronous-commit", Error),
        is_off(commits).then(|| "synchronous_commit is off".to_owned()),
        "If the server fails, the last commits are gone: a call that was reserved or recorded then runs again.",
        "ALTER SYSTEM SET synchronous_commit = on; SELECT pg_reload_conf();",
    );
    let persistence = checkup.ask(server, "table_persistence");
    checkup.check(
        at,
        ("unlogged-table", Error),
        (persistence == Some("u")).then(|| "the table of records is UNLOGGED".to_owned()),
        "If the server fails, it is emptied: retries of calls that have finished run again.",
        "ALTER TABLE idempotent.records SET LOGGED;",
    );
}

fn replication(checkup: &mut Checkup, server: &ServerSettings) {
    let at = server.server.as_str();
    let in_recovery = checkup.ask(server, "in_recovery") == Some("true");
    checkup.check(
        at,
        ("standby", Error),
        in_recovery.then(|| "it is a standby".to_owned()),
        "New calls are refused, and what it shows may be old.",
        "connect to the primary: postgres://HOST,HOST/DATABASE?target_session_attrs=read-write where that is supported",
    );
    let replicas = server.get("replicas").and_then(|count| count.parse::<u64>().ok());
    let waits = checkup.ask(server, "synchronous_standby_names").is_none_or(|it| !it.is_empty());
    checkup.check(
        at,
        ("asynchronous-replication", Note),
        replicas
            .filter(|replicas| *replicas > 0 && !waits)
            .map(|replicas| format!("it has {replicas} standbys, and waits for none of them")),
        "After a failover the last commits are gone: calls that were recorded then run again.",
        "ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'; SELECT pg_reload_conf();",
    );
}

/// What is set for a role or a database holds for the application's sessions, and not for others.
fn roles(checkup: &mut Checkup, server: &ServerSettings, response_timeout: Duration) {
    let at = server.server.as_str();
    let of_roles = || {
        server.values.iter().filter_map(|(name, value)| {
            let (whose, setting) = name.split_once(": ")?;
            Some((whose, setting, value.as_str()))
        })
    };
    let find = |wanted: &str, is_weak: &dyn Fn(&str) -> bool| {
        let mut found =
            of_roles().filter(|(_, setting, value)| *setting == wanted && is_weak(value));
        found
            .next()
            .map(|(whose, _, value)| (whose.to_owned(), format!("{wanted} of {whose} is {value}")))
    };
    let reset = |found: &Option<(String, String)>, setting: &str| {
        let whose = found.as_ref().map_or("role …", |(whose, _)| whose.as_str());
        let whose = whose.split(" of ").next().unwrap_or(whose);
        let (kind, name) = whose.split_once(' ').unwrap_or(("role", whose));
        format!("ALTER {} \"{name}\" RESET {setting};", kind.to_uppercase())
    };
    let commits = find("synchronous_commit", &|value| value == "off");
    let mend = reset(&commits, "synchronous_commit");
    checkup.check(
        at,
        ("role-synchronous-commit", Error),
        commits.map(|(_, what)| what),
        "If the server fails, the last commits of these sessions are gone: their calls run again.",
        mend,
    );
    let read_only = find("default_transaction_read_only", &|value| value == "on");
    let mend = reset(&read_only, "default_transaction_read_only");
    checkup.check(
        at,
        ("role-read-only", Warning),
        read_only.map(|(_, what)| what),
        "If the application has these sessions, its calls are refused.",
        mend,
    );
    for setting in ["statement_timeout", "lock_timeout", "transaction_timeout"] {
        let short = find(setting, &|value| {
            millis(value).is_some_and(|it| it > 0 && Duration::from_millis(it) < response_timeout)
        });
        let mend = reset(&short, setting);
        checkup.check(
            at,
            ("role-timeout", Warning),
            short.map(|(_, what)| what),
            "The server ends a step before the store's response_timeout: calls fail that would have worked.",
            mend,
        );
    }
    let isolation = find("default_transaction_isolation", &|value| value != "read committed");
    let mend = reset(&isolation, "default_transaction_isolation");
    checkup.check(
        at,
        ("role-isolation", Note),
        isolation.map(|(_, what)| what),
        "Calls in transactions of the application conflict where others wait: each must be retried.",
        mend,
    );
}

fn upkeep(checkup: &mut Checkup, server: &ServerSettings) {
    let at = server.server.as_str();
    let everywhere = checkup.ask(server, "autovacuum") == Some("off");
    let table = checkup.ask(server, "table_autovacuum");
    let here = table.is_some_and(|value| matches!(value, "off" | "false" | "0" | "no"));
    checkup.check(
        at,
        ("autovacuum", Warning),
        (everywhere || here).then(|| {
            let where_off = if everywhere { "on the server" } else { "for the table of records" };
            format!("autovacuum is off {where_off}")
        }),
        "Records come and go, and what is left of them stays: calls get slower and the disk full.",
        match everywhere {
            true => "ALTER SYSTEM SET autovacuum = on; SELECT pg_reload_conf();",
            false => "ALTER TABLE idempotent.records RESET (autovacuum_enabled);",
        },
    );
    let expired =
        checkup.ask(server, "expired_records").and_then(|count| count.parse::<u64>().ok());
    checkup.check(
        at,
        ("not-swept", Warning),
        expired.filter(|count| *count >= 1_000).map(|count| {
            let least = if count == 10_000 { "at least " } else { "" };
            format!(
                "{least}{count} records have expired more than ten minutes ago and are still there"
            )
        }),
        "Nobody sweeps: the table grows. No guarantee depends on it.",
        "sweep_every in one of the application's processes, or PostgresStore::sweep in a job",
    );
}

/// A setting of time, in milliseconds, which are also its unit if it has none.
fn millis(value: &str) -> Option<u64> {
    let value = value.trim_matches(['"', '\'']).trim();
    let at = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(at);
    let factor = match unit.trim() {
        "" | "ms" => 1,
        "s" => 1_000,
        "min" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}
