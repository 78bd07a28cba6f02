//! What the servers are, asked once when a store connects: new enough, able to compare by plain
//! commands, and durable.

use redis::{Pipeline, Value};

use super::error::{is_unknown, store_error};
use super::link::{Link, Node};
use super::replicas::Need;
use crate::store::{StoreError, StoreErrorKind};

/// What is done about a server that may lose records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Demand {
    /// The log says so.
    Warn,
    /// It is refused.
    Durable,
}

/// What all the servers of a store have in common.
pub(super) struct Servers {
    /// Whether they know `SET … IFEQ`.
    pub(super) set_if_equal: bool,
    /// Whether they know `DELIFEQ`.
    pub(super) delete_if_equal: bool,
}

/// Oldest versions that have `SET … NX GET`, and scripts that may exceed the memory limit.
const OLDEST_REDIS: (u32, u32) = (7, 0);
const OLDEST_VALKEY: (u32, u32) = (7, 2);

/// Looks at every server that takes writes.
pub(super) async fn examine(
    link: &Link,
    demand: Demand,
    need: Option<Need>,
) -> Result<Servers, StoreError> {
    if need.is_some() && !link.can_dedicate() {
        return Err(StoreError::new(
            StoreErrorKind::Unavailable,
            "a connection does not tell where its replicas are: for min_replicas, make the store of \
             a url or a client",
        ));
    }
    let mut servers = Servers { set_if_equal: true, delete_if_equal: true };
    for node in link.primaries().await.map_err(store_error)? {
        let report = Report::of(link, &node).await?;
        if let Some(too_old) = report.too_old() {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("{node} is {too_old}; RedisStore needs Redis 7.0 or Valkey 7.2"),
            ));
        }
        if let Some(too_few) = need.and_then(|need| report.too_few_replicas(need)) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, format!("{node} {too_few}")));
        }
        let faults = report.faults(need);
        if demand == Demand::Durable && !faults.is_empty() {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("{node} is not durable: {}", faults.join("; ")),
            ));
        }
        for fault in faults {
            tracing::warn!(%node, "redis may lose records: {fault}");
        }
        servers.set_if_equal &= report.set_if_equal;
        servers.delete_if_equal &= report.delete_if_equal;
    }
    Ok(servers)
}

/// What one server says of itself. `None` is what it does not let be asked.
struct Report {
    info: Option<String>,
    set_if_equal: bool,
    delete_if_equal: bool,
    save: Option<String>,
    validity_factor: Option<String>,
}

impl Report {
    async fn of(link: &Link, node: &Node) -> Result<Self, StoreError> {
        let mut questions = Pipeline::with_capacity(5);
        questions.cmd("INFO");
        questions.cmd("COMMAND").arg("DOCS").arg("SET");
        questions.cmd("COMMAND").arg("INFO").arg("DELIFEQ");
        questions.cmd("CONFIG").arg("GET").arg("save");
        questions.cmd("CONFIG").arg("GET").arg("cluster-replica-validity-factor");
        let answers = link.read_node(node, &questions).await.map_err(store_error)?;
        let mut answers = answers.into_iter();
        let mut next = || answers.next().unwrap_or_default();
        Ok(Self {
            info: text(unless_fatal(next())?),
            set_if_equal: tells_of(&next(), "IFEQ"),
            delete_if_equal: is_command(&next()),
            save: setting(next()),
            validity_factor: setting(next()),
        })
    }

    /// The version, where it is known and too old. Valkey tells its own beside the version of
    /// Redis that it stands in for.
    fn too_old(&self) -> Option<String> {
        let (name, version, oldest) = match self.field("valkey_version") {
            Some(version) => ("Valkey", version, OLDEST_VALKEY),
            None => ("Redis", self.field("redis_version")?, OLDEST_REDIS),
        };
        let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
        let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        (found < oldest).then(|| format!("{name} {version}"))
    }

    /// How many replicas are missing, where it is known.
    fn too_few_replicas(&self, need: Need) -> Option<String> {
        let connected = self.replicas()?;
        (connected < need.replicas).then(|| {
            let wanted = need.replicas;
            format!("has {connected} replicas; min_replicas({wanted}, …) would never be met")
        })
    }

    fn replicas(&self) -> Option<usize> {
        self.field("connected_slaves")?.parse().ok()
    }

    /// Why the server may lose records before their time.
    fn faults(&self, need: Option<Need>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut unknown = Vec::new();
        match self.field("maxmemory_policy") {
            Some("noeviction") => {}
            Some(policy) => faults.push(format!("maxmemory-policy {policy} evicts records")),
            None => unknown.push("maxmemory-policy"),
        }
        match (self.field("aof_enabled"), self.save.as_deref()) {
            (Some("1"), _) => {}
            (Some(_), Some("")) => {
                faults.push("without appendonly and save it keeps nothing across a restart".into());
            }
            (Some(_), Some(_)) => {}
            _ => unknown.push("persistence"),
        }
        if self.field("cluster_enabled") == Some("1") {
            match self.validity_factor.as_deref() {
                Some("0") => faults
                    .push("cluster-replica-validity-factor 0 elects replicas however stale".into()),
                Some(_) => {}
                None => unknown.push("cluster-replica-validity-factor"),
            }
        }
        match (need, self.replicas()) {
            (Some(need), Some(connected)) if need.replicas < connected => faults.push(format!(
                "min_replicas({}, …) is below its {connected} replicas: one that has not \
                 acknowledged may be elected",
                need.replicas
            )),
            (Some(_), None) => unknown.push("the number of replicas"),
            _ => {}
        }
        if !unknown.is_empty() {
            faults.push(format!("it does not let this be checked: {}", unknown.join(", ")));
        }
        faults
    }

    /// A line of `INFO`.
    fn field(&self, name: &str) -> Option<&str> {
        let lines = self.info.as_deref()?.lines();
        lines
            .filter_map(|line| line.split_once(':'))
            .find_map(|(key, value)| (key == name).then_some(value.trim()))
    }
}

/// A user may not be allowed to ask, or a proxy may not know the question. Whatever else is wrong
/// is wrong with every question: no login, a server that is still loading.
fn unless_fatal(answer: Value) -> Result<Value, StoreError> {
    match answer.extract_error() {
        Err(error) if error.code() == Some("NOPERM") || is_unknown(&error) => Ok(Value::Nil),
        answer => answer.map_err(store_error),
    }
}

fn text(answer: Value) -> Option<String> {
    match answer {
        Value::BulkString(bytes) => String::from_utf8(bytes).ok(),
        Value::VerbatimString { text, .. } | Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

/// The value of the one setting that `CONFIG GET` was asked for.
fn setting(answer: Value) -> Option<String> {
    match answer {
        Value::Array(mut both) if both.len() == 2 => text(both.swap_remove(1)),
        Value::Map(settings) => settings.into_iter().next().and_then(|(_, value)| text(value)),
        _ => None,
    }
}

/// Whether `COMMAND DOCS` of a command names an option.
fn tells_of(docs: &Value, option: &str) -> bool {
    let is_option = |text: &[u8]| text.eq_ignore_ascii_case(option.as_bytes());
    match docs {
        Value::BulkString(text) => is_option(text),
        Value::SimpleString(text) => is_option(text.as_bytes()),
        Value::Array(parts) | Value::Set(parts) => parts.iter().any(|part| tells_of(part, option)),
        Value::Map(parts) => {
            parts.iter().any(|(name, part)| tells_of(name, option) || tells_of(part, option))
        }
        _ => false,
    }
}

/// Whether `COMMAND INFO` of one name found that command.
fn is_command(answer: &Value) -> bool {
    matches!(answer, Value::Array(commands) if matches!(commands.as_slice(), [Value::Array(_)]))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn report(info: &str) -> Report {
        Report {
            info: Some(info.to_owned()),
            set_if_equal: false,
            delete_if_equal: false,
            save: Some("3600 1".to_owned()),
            validity_factor: Some("10".to_owned()),
        }
    }

    #[test]
    fn versions_below_the_oldest_are_too_old() {
        let too_old = |info: &str| report(info).too_old();
        assert_eq!(too_old("redis_version:6.2.14\r\n").as_deref(), Some("Redis 6.2.14"));
        assert_eq!(too_old("redis_version:7.0.0\r\n"), None);
        assert_eq!(too_old("redis_version:8.2.1\r\n"), None);
        assert_eq!(too_old("redis_version:255.255.255\r\n"), None);
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:";
        assert_eq!(too_old(&format!("{valkey}9.1.0\r\n")), None);
        assert_eq!(too_old(&format!("{valkey}7.1.9\r\n")).as_deref(), Some("Valkey 7.1.9"));
    }

    #[test]
    fn a_durable_server_has_no_faults() {
        let info = "maxmemory_policy:noeviction\r\naof_enabled:1\r\ncluster_enabled:1\r\n";
        assert_eq!(report(info).faults(None), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_lose_records_is_a_fault() {
        let info = "maxmemory_policy:volatile-lru\r\naof_enabled:0\r\ncluster_enabled:1\r\n";
        let mut report = report(info);
        (report.save, report.validity_factor) = (Some(String::new()), Some("0".to_owned()));
        let faults = report.faults(None);
        assert_eq!(faults.len(), 3, "{faults:?}");
        assert!(faults[0].contains("volatile-lru"), "{faults:?}");
        assert!(faults[1].contains("restart"), "{faults:?}");
        assert!(faults[2].contains("validity-factor"), "{faults:?}");
    }

    /// As Valkey 8.1 tells of `SET`, shortened, by either protocol.
    #[test]
    fn an_option_is_found_wherever_the_docs_name_it() {
        let text = |text: &str| Value::BulkString(text.into());
        let argument = vec![text("name"), text("comparison-value"), text("token"), text("IFEQ")];
        let arguments = vec![text("arguments"), Value::Array(vec![Value::Array(argument)])];
        let docs = Value::Array(vec![text("set"), Value::Array(arguments)]);
        assert!(tells_of(&docs, "IFEQ"));
        let map = Value::Map(vec![(text("token"), text("ifeq"))]);
        assert!(tells_of(&Value::Map(vec![(text("set"), map)]), "IFEQ"));
        let history = text("Added the `IFEQ` option.");
        assert!(!tells_of(&Value::Array(vec![text("set"), history]), "IFEQ"));
        assert!(!tells_of(&Value::Array(Vec::new()), "IFEQ"));
    }

    #[test]
    fn too_few_replicas_are_refused_and_too_many_a_fault() {
        let info = "maxmemory_policy:noeviction\r\naof_enabled:1\r\nconnected_slaves:2\r\n";
        let need = |replicas| Need { replicas, within: Duration::from_millis(500) };
        let report = report(info);
        let too_few = report.too_few_replicas(need(3)).unwrap();
        assert_eq!(too_few, "has 2 replicas; min_replicas(3, …) would never be met");
        assert_eq!(report.too_few_replicas(need(2)), None);
        assert_eq!(report.faults(Some(need(2))), Vec::<String>::new());
        let faults = report.faults(Some(need(1)));
        assert!(faults[0].contains("below its 2 replicas"), "{faults:?}");
    }

    #[test]
    fn what_cannot_be_asked_is_one_fault() {
        let nothing = Report { info: None, save: None, validity_factor: None, ..report("") };
        let faults = nothing.faults(None);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains("maxmemory-policy, persistence"), "{faults:?}");
        assert_eq!(nothing.too_old(), None);
    }
}
