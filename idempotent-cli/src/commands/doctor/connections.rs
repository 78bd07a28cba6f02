//! Whether the server has connections left. Stores renew leases on one of their own, beside the pool.

use idempotent_core::backends::ServerSettings;

use super::checkup::Checkup;
use super::checkup::Severity::Warning;

const MEANS: &str = "Stores renew leases on a connection of their own, which is opened when the first one is due: if the server \
                     refuses it, leases lapse while their calls run.";

/// What a process opens beside its pool: a connection to renew leases, and one to listen.
const BESIDE_THE_POOL: u64 = 2;

/// What the application's processes open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pools {
    pub(super) connections: u32,
    pub(super) processes: u32,
}

impl Pools {
    fn needed(self) -> u64 {
        u64::from(self.processes) * (u64::from(self.connections) + BESIDE_THE_POOL)
    }

    fn in_words(self) -> String {
        let Self { connections, processes } = self;
        let processes = match processes {
            1 => "a process".to_owned(),
            count => format!("{count} processes"),
        };
        format!(
            "{processes} with {connections} connections, and {BESIDE_THE_POOL} each to renew leases and to listen"
        )
    }
}

/// How many connections there may be of a server, a database or a role, and how many there are.
struct Limit<'a> {
    whose: &'a str,
    most: u64,
    used: u64,
    /// How many others the server keeps for administrators.
    reserved: u64,
}

impl Limit<'_> {
    const fn is_nearly_used(&self) -> bool {
        self.used * 10 > self.most * 9
    }

    /// The line that sets the limit to so many.
    fn raised_to(&self, most: u64) -> String {
        match self.whose.split_once(' ') {
            Some((kind @ ("database" | "role"), name)) => {
                format!("ALTER {} \"{name}\" CONNECTION LIMIT {most};", kind.to_uppercase())
            }
            _ => {
                let most = most + self.reserved;
                format!("ALTER SYSTEM SET max_connections = {most}; and a restart")
            }
        }
    }
}

pub(super) fn of_postgres(checkup: &mut Checkup, server: &ServerSettings, pools: Option<Pools>) {
    let at = server.server.as_str();
    let limits = limits(checkup, server);
    let full = limits.iter().find(|limit| limit.is_nearly_used());
    checkup.check(
        at,
        ("connections-nearly-used", Warning),
        full.map(|Limit { whose, most, used, .. }| {
            format!("{used} of the {most} connections of {whose} are used")
        }),
        MEANS,
        full.map_or_else(String::new, |limit| {
            format!("smaller pools, or {}", limit.raised_to(limit.most * 2))
        }),
    );
    let Some(pools) = pools else { return };
    let needed = pools.needed();
    let short = limits.iter().filter(|limit| limit.most < needed).min_by_key(|limit| limit.most);
    checkup.check(
        at,
        ("pools-above-connections", Warning),
        short.map(|Limit { whose, most, .. }| {
            format!("{} need {needed}, and {whose} has {most}", pools.in_words())
        }),
        MEANS,
        short.map_or_else(String::new, |limit| {
            format!("smaller pools, or {}", limit.raised_to(needed))
        }),
    );
}

/// Of the server without what it keeps for administrators, of the database, and of the roles that may write records.
fn limits<'a>(checkup: &mut Checkup, server: &'a ServerSettings) -> Vec<Limit<'a>> {
    let number = |value: Option<&str>| value.and_then(|value| value.parse::<u64>().ok());
    let most = number(checkup.ask(server, "max_connections"));
    let used = number(checkup.ask(server, "connections"));
    // Older versions do not have the second one.
    let reserved = number(checkup.ask(server, "superuser_reserved_connections"))
        .unwrap_or_default()
        + number(server.get("reserved_connections")).unwrap_or_default();
    let of_server = most.zip(used).map(|(most, used)| {
        let most = most.saturating_sub(reserved);
        Limit { whose: "the server", most, used, reserved }
    });
    let others = server.values.iter().filter_map(|(name, most)| {
        let whose = name.strip_suffix(": connection_limit")?;
        let used = number(server.get(&format!("{whose}: connections")))?;
        Some(Limit { whose, most: most.parse().ok()?, used, reserved: 0 })
    });
    others.chain(of_server).collect()
}

pub(super) fn of_redis(checkup: &mut Checkup, server: &ServerSettings) {
    let at = server.server.as_str();
    let number = |value: Option<&str>| value.and_then(|value| value.parse::<u64>().ok());
    let clients = number(checkup.ask(server, "connected_clients"));
    let most = number(checkup.ask(server, "maxclients"));
    // Those to and from the other nodes count, too.
    let nodes = number(server.get("cluster_connections")).unwrap_or_default();
    let full = clients.zip(most).map(|(clients, most)| (clients + nodes, most));
    let full = full.filter(|(used, most)| *used * 10 > *most * 9);
    checkup.check(
        at,
        ("connections-nearly-used", Warning),
        full.map(|(used, most)| format!("{used} of {most} connections are used")),
        "Once all are, a process that has to connect anew is refused: its leases lapse while its calls run.",
        "CONFIG SET maxclients to more, and the same in redis.conf",
    );
    let refused = number(checkup.ask(server, "rejected_connections")).filter(|count| *count > 0);
    checkup.check(
        at,
        ("connections-refused", Warning),
        refused.map(|count| {
            format!("{count} connections have been refused since the server was started")
        }),
        "There were more clients than maxclients. Leases of a process that was refused lapsed while its calls ran.",
        "CONFIG SET maxclients to more, and the same in redis.conf; then CONFIG RESETSTAT",
    );
}
