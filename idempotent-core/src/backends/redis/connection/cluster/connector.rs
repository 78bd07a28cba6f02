//! Connects to a Redis Cluster, through some of its nodes.

use std::fmt;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult, TlsCertificates,
    Value,
};
use tokio::time::timeout;

use super::slot::slot_of;
use super::slot_range::{SlotRange, parse_slot_ranges};
use crate::backends::redis::connection::credentials::ChangingLogin;
use crate::backends::redis::connection::limits::Limits;
use crate::backends::redis::connection::node::Node;
use crate::backends::redis::error::{timed_out, unassigned_slot, unexpected};

/// Redirects and nodes that just went away: enough for one of each, within the time of a command.
const RETRIES: u32 = 4;
const LONGEST_RETRY_PAUSE_MS: u64 = 200;
const SHORTEST_RETRY_PAUSE_MS: u64 = 10;

const NO_ADDRESS: (ErrorKind, &str) =
    (ErrorKind::InvalidClientConfig, "a node of a cluster needs an address");

const NO_SEEDS: (ErrorKind, &str) = (
    ErrorKind::InvalidClientConfig,
    "a cluster needs the URL of at least one of its nodes, and got none",
);

/// A cluster, by some of its nodes.
pub(in crate::backends::redis) struct ClusterConnector {
    seeds: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
    client: ClusterClient,
    login: Option<ChangingLogin>,
}

impl ClusterConnector {
    pub(in crate::backends::redis) fn new(
        seeds: Vec<ConnectionInfo>,
        certificates: Option<&TlsCertificates>,
        login: Option<ChangingLogin>,
        limits: Limits,
    ) -> RedisResult<Self> {
        let settings = seeds.first().map(|seed| seed.tcp_settings().clone());
        let mut builder = ClusterClientBuilder::new(seeds.clone())
            .retries(RETRIES)
            .min_retry_wait(SHORTEST_RETRY_PAUSE_MS)
            .max_retry_wait(LONGEST_RETRY_PAUSE_MS)
            .connection_timeout(limits.connect_timeout)
            .response_timeout(limits.response_timeout)
            .overall_response_timeout(None);
        if let Some(settings) = settings {
            builder = builder.tcp_settings(settings);
        }
        if let Some(certificates) = certificates {
            builder = builder.certs(certificates.clone());
        }
        if let (Some(login), Some(seed)) = (&login, seeds.first()) {
            builder = builder.set_credentials_provider(login.for_all(seed));
        }
        let certificates = certificates.cloned();
        Ok(Self { client: builder.build()?, certificates, login, seeds })
    }

    pub(in crate::backends::redis::connection) const fn login(&self) -> Option<&ChangingLogin> {
        self.login.as_ref()
    }

    pub(in crate::backends::redis::connection) async fn connect(
        &self,
        limits: Limits,
    ) -> RedisResult<ClusterConnection> {
        let connect = self.client.get_async_connection();
        // It asks several nodes, one after the other.
        timeout(limits.connect_timeout * 3, connect).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// A client of the primary that has a key, according to an answer to `CLUSTER SLOTS`.
    pub(in crate::backends::redis::connection) fn client_for_key(
        &self,
        key: &str,
        slots: &Value,
    ) -> RedisResult<Client> {
        let slot = slot_of(key);
        let range = self.slot_ranges(slots)?.into_iter().find(|range| range.contains(slot));
        self.client_at(&range.ok_or_else(unassigned_slot)?.primary)
    }

    /// A client of one node.
    pub(in crate::backends::redis::connection) fn client_at(
        &self,
        node: &Node,
    ) -> RedisResult<Client> {
        let Node::At { host, port } = node else { return Err(NO_ADDRESS.into()) };
        let seed = self.seed()?;
        let address = match seed.addr().clone() {
            ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
                ConnectionAddr::TcpTls { host: host.clone(), port: *port, insecure, tls_params }
            }
            ConnectionAddr::Tcp(..) => ConnectionAddr::Tcp(host.clone(), *port),
            other => other,
        };
        let info = seed.clone().set_addr(address);
        match &self.certificates {
            Some(certificates) => Client::build_with_tls(info, certificates.clone()),
            None => Client::open(info),
        }
    }

    /// What an answer to `CLUSTER SLOTS` says. A node that leaves its host out has the host that the
    /// store was given.
    pub(in crate::backends::redis::connection) fn slot_ranges(
        &self,
        slots: &Value,
    ) -> RedisResult<Vec<SlotRange>> {
        let host = match self.seed()?.addr() {
            ConnectionAddr::TcpTls { host, .. } | ConnectionAddr::Tcp(host, _) => host,
            _ => "",
        };
        parse_slot_ranges(slots, host).ok_or_else(|| unexpected(slots))
    }

    /// The cluster, for people.
    pub(in crate::backends::redis::connection) fn servers(&self) -> String {
        let seeds: Vec<_> = self.seeds.iter().map(|seed| seed.addr().to_string()).collect();
        format!("redis cluster at {}", seeds.join(", "))
    }

    fn seed(&self) -> RedisResult<&ConnectionInfo> {
        self.seeds.first().ok_or_else(|| RedisError::from(NO_SEEDS))
    }
}

impl fmt::Debug for ClusterConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster(")?;
        for (i, seed) in self.seeds.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, seed.addr())?;
        }
        f.write_str(")")
    }
}
