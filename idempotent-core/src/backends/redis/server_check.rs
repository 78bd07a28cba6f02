//! Checks the servers when a store connects: that they are new enough, durable if that is required, and
//! which compare commands they know.

use super::compare::CompareSupport;
use super::connection::Client;
use super::error::store_error;
use super::replicas::MinReplicas;
use super::server_info::ServerInfo;
use crate::store::{StoreError, StoreErrorKind};

/// What happens if a server may lose records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durability {
    /// A warning is logged.
    Warn,
    /// The server is refused.
    Require,
}

/// The oldest versions that have `SET … NX GET`, and scripts that may exceed the memory limit.
const OLDEST_REDIS: (u32, u32) = (7, 0);
const OLDEST_VALKEY: (u32, u32) = (7, 2);

/// Checks every primary, and returns which compare commands all of them know.
pub(super) async fn check_servers(
    client: &Client,
    durability: Durability,
    min_replicas: Option<MinReplicas>,
) -> Result<CompareSupport, StoreError> {
    if min_replicas.is_some() && !client.can_connect() {
        return Err(StoreError::new(
            StoreErrorKind::Unavailable,
            "min_replicas needs to know the servers' addresses, which an existing connection does not \
             tell; build the store from a URL or a redis::Client",
        ));
    }
    let (mut set_if_equal, mut delete_if_equal) = (true, true);
    for node in client.primaries().await.map_err(store_error)? {
        let server = ServerInfo::fetch(client, &node).await?;
        if let Some(version) = outdated_version(&server) {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("{node} is {version}; RedisStore needs Redis 7.0 or Valkey 7.2, or newer"),
            ));
        }
        if let Some(missing) = min_replicas.and_then(|min| missing_replicas(&server, min)) {
            return Err(StoreError::new(StoreErrorKind::Unavailable, format!("{node} {missing}")));
        }
        let risks = durability_risks(&server, min_replicas);
        if durability == Durability::Require && !risks.is_empty() {
            return Err(StoreError::new(
                StoreErrorKind::Unavailable,
                format!("{node} is not durable: {}", risks.join("; ")),
            ));
        }
        for risk in risks {
            tracing::warn!(%node, "redis may lose records: {risk}");
        }
        set_if_equal &= server.set_if_equal;
        delete_if_equal &= server.delete_if_equal;
    }
    Ok(CompareSupport::new(set_if_equal, delete_if_equal))
}

/// The version, if it is known and too old. Valkey tells its own version beside that of the Redis that
/// it is compatible with.
fn outdated_version(server: &ServerInfo) -> Option<String> {
    let (name, version, oldest) = match server.field("valkey_version") {
        Some(version) => ("Valkey", version, OLDEST_VALKEY),
        None => ("Redis", server.field("redis_version")?, OLDEST_REDIS),
    };
    let mut numbers = version.split('.').map(|number| number.parse().unwrap_or(0));
    let found = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (found < oldest).then(|| format!("{name} {version}"))
}

/// Whether a server has fewer replicas than required, if it tells.
fn missing_replicas(server: &ServerInfo, min_replicas: MinReplicas) -> Option<String> {
    let connected = server.replicas()?;
    let wanted = min_replicas.count;
    (connected < wanted).then(|| {
        format!("has {connected} replicas, so min_replicas({wanted}, …) could never be met")
    })
}

/// Why a server may lose records too early.
fn durability_risks(server: &ServerInfo, min_replicas: Option<MinReplicas>) -> Vec<String> {
    let mut risks = Vec::new();
    let mut unknown = Vec::new();
    match server.field("maxmemory_policy") {
        Some("noeviction") => {}
        Some(policy) => risks.push(format!("maxmemory-policy {policy} evicts records")),
        None => unknown.push("maxmemory-policy"),
    }
    match (server.field("aof_enabled"), server.save.as_deref()) {
        (Some("1"), _) => {}
        (Some(_), Some("")) => {
            risks.push("without appendonly and save it keeps nothing across a restart".into());
        }
        (Some(_), Some(_)) => {}
        _ => unknown.push("persistence"),
    }
    if server.field("cluster_enabled") == Some("1") {
        match server.validity_factor.as_deref() {
            Some("0") => risks
                .push("cluster-replica-validity-factor 0 lets a stale replica be elected".into()),
            Some(_) => {}
            None => unknown.push("cluster-replica-validity-factor"),
        }
    }
    match (min_replicas, server.replicas()) {
        (Some(min), Some(connected)) if min.count < connected => risks.push(format!(
            "min_replicas({}, …) is below its {connected} replicas: one that has not acknowledged a \
             write may be elected",
            min.count
        )),
        (Some(_), None) => unknown.push("the number of replicas"),
        _ => {}
    }
    if !unknown.is_empty() {
        risks.push(format!("it does not let this be checked: {}", unknown.join(", ")));
    }
    risks
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn server(info: &str) -> ServerInfo {
        ServerInfo {
            info: Some(info.to_owned()),
            set_if_equal: false,
            delete_if_equal: false,
            save: Some("3600 1".to_owned()),
            validity_factor: Some("10".to_owned()),
        }
    }

    #[test]
    fn versions_below_the_oldest_are_too_old() {
        let too_old = |info: &str| outdated_version(&server(info));
        assert_eq!(too_old("redis_version:6.2.14\r\n").as_deref(), Some("Redis 6.2.14"));
        assert_eq!(too_old("redis_version:7.0.0\r\n"), None);
        assert_eq!(too_old("redis_version:8.2.1\r\n"), None);
        assert_eq!(too_old("redis_version:255.255.255\r\n"), None);
        let valkey = "redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:";
        assert_eq!(too_old(&format!("{valkey}9.1.0\r\n")), None);
        assert_eq!(too_old(&format!("{valkey}7.1.9\r\n")).as_deref(), Some("Valkey 7.1.9"));
    }

    #[test]
    fn a_durable_server_has_no_risks() {
        let info = "maxmemory_policy:noeviction\r\naof_enabled:1\r\ncluster_enabled:1\r\n";
        assert_eq!(durability_risks(&server(info), None), Vec::<String>::new());
    }

    #[test]
    fn every_way_to_lose_records_is_a_risk() {
        let info = "maxmemory_policy:volatile-lru\r\naof_enabled:0\r\ncluster_enabled:1\r\n";
        let mut server = server(info);
        (server.save, server.validity_factor) = (Some(String::new()), Some("0".to_owned()));
        let risks = durability_risks(&server, None);
        assert_eq!(risks.len(), 3, "{risks:?}");
        assert!(risks[0].contains("volatile-lru"), "{risks:?}");
        assert!(risks[1].contains("restart"), "{risks:?}");
        assert!(risks[2].contains("validity-factor"), "{risks:?}");
    }

    #[test]
    fn too_few_replicas_are_refused_and_too_many_a_risk() {
        let info = "maxmemory_policy:noeviction\r\naof_enabled:1\r\nconnected_slaves:2\r\n";
        let min = |count| MinReplicas { count, timeout: Duration::from_millis(500) };
        let server = server(info);
        let missing = missing_replicas(&server, min(3)).unwrap();
        assert_eq!(missing, "has 2 replicas, so min_replicas(3, …) could never be met");
        assert_eq!(missing_replicas(&server, min(2)), None);
        assert_eq!(durability_risks(&server, Some(min(2))), Vec::<String>::new());
        let risks = durability_risks(&server, Some(min(1)));
        assert!(risks[0].contains("below its 2 replicas"), "{risks:?}");
    }

    #[test]
    fn what_cannot_be_checked_is_one_risk() {
        let server = ServerInfo { info: None, save: None, validity_factor: None, ..server("") };
        let risks = durability_risks(&server, None);
        assert_eq!(risks.len(), 1, "{risks:?}");
        assert!(risks[0].contains("maxmemory-policy, persistence"), "{risks:?}");
        assert_eq!(outdated_version(&server), None);
    }
}
