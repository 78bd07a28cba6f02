//! A Redis Cluster: redis-rs follows its slots, and every question names the primary it is for.

use std::fmt;

use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::{
    Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    TlsCertificates, Value,
};
use tokio::time::timeout;

use super::health::PARTS;
use super::{Limits, Node, Question, To};
use crate::store::redis::error::{timed_out, unexpected};

const SLOTS: usize = 16_384;

/// Redirects and nodes that just went away: enough for one of each, within a question's time.
const RETRIES: u32 = 4;
const LONGEST_RETRY_PAUSE_MS: u64 = 200;
const SHORTEST_RETRY_PAUSE_MS: u64 = 10;

/// A cluster, by some of its nodes.
pub(in crate::store::redis) struct Cluster {
    seeds: Vec<ConnectionInfo>,
    certificates: Option<TlsCertificates>,
    client: ClusterClient,
}

/// A run of slots, and the primary that has them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::store::redis) struct Range {
    pub(in crate::store::redis) first: u16,
    pub(in crate::store::redis) last: u16,
    pub(in crate::store::redis) primary: Node,
}

impl Cluster {
    pub(in crate::store::redis) fn new(
        seeds: Vec<ConnectionInfo>,
        certificates: Option<&TlsCertificates>,
        limits: Limits,
    ) -> RedisResult<Self> {
        let settings = seeds.first().map(|seed| seed.tcp_settings().clone());
        let mut builder = ClusterClientBuilder::new(seeds.clone())
            .retries(RETRIES)
            .min_retry_wait(SHORTEST_RETRY_PAUSE_MS)
            .max_retry_wait(LONGEST_RETRY_PAUSE_MS)
            .connection_timeout(limits.connect)
            .response_timeout(limits.response)
            .overall_response_timeout(None);
        if let Some(settings) = settings {
            builder = builder.tcp_settings(settings);
        }
        if let Some(certificates) = certificates {
            builder = builder.certs(certificates.clone());
        }
        Ok(Self { client: builder.build()?, certificates: certificates.cloned(), seeds })
    }

    pub(super) async fn connect(&self, limits: Limits) -> RedisResult<ClusterConnection> {
        let connect = self.client.get_async_connection();
        // It asks several nodes, one after the other.
        timeout(limits.connect * 3, connect).await.unwrap_or_else(|_| Err(timed_out()))
    }

    /// A client of the primary that a key has now.
    pub(super) async fn client_of(
        &self,
        mut connection: super::Connection,
        key: &str,
        limits: Limits,
    ) -> RedisResult<Client> {
        let question = which_slots();
        let ask = connection.ask(To::Key(key), Question::One(&question));
        let slots = timeout(limits.response, ask).await.unwrap_or_else(|_| Err(timed_out()))?;
        let slot = slot(key);
        let mut ranges = self.ranges(&slots)?.into_iter();
        let range = ranges.find(|range| (range.first..=range.last).contains(&slot));
        let range = range
            .ok_or((ErrorKind::ClusterConnectionNotFound, "no node has the slot of the key"))?;
        self.client_at(&range.primary)
    }

    /// Which primary has which slots, in the eyes of one of them.
    pub(super) async fn slots(
        &self,
        mut connection: super::Connection,
        limits: Limits,
    ) -> RedisResult<Vec<Range>> {
        let question = which_slots();
        let ask = connection.ask(To::Node(&Node::Only), Question::One(&question));
        let slots = timeout(limits.response, ask).await.unwrap_or_else(|_| Err(timed_out()))?;
        self.ranges(&slots)
    }

    /// A client of one node.
    pub(super) fn client_at(&self, node: &Node) -> RedisResult<Client> {
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

    fn seed(&self) -> RedisResult<&ConnectionInfo> {
        self.seeds.first().ok_or_else(|| RedisError::from(NO_SEEDS))
    }

    /// A node that does not know its own address leaves its host out: it is the one that we know.
    fn ranges(&self, slots: &Value) -> RedisResult<Vec<Range>> {
        let host = match self.seed()?.addr() {
            ConnectionAddr::TcpTls { host, .. } | ConnectionAddr::Tcp(host, _) => host,
            _ => "",
        };
        ranges(slots, host).ok_or_else(|| unexpected(slots))
    }
}

fn which_slots() -> Cmd {
    let mut command = Cmd::new();
    command.arg("CLUSTER").arg("SLOTS");
    command
}

const NO_ADDRESS: (ErrorKind, &str) = (ErrorKind::InvalidClientConfig, "a node needs an address");

const NO_SEEDS: (ErrorKind, &str) = (ErrorKind::InvalidClientConfig, "a cluster needs an address");

pub(super) async fn ask(
    connection: &mut ClusterConnection,
    to: To<'_>,
    what: Question<'_>,
) -> RedisResult<Value> {
    let node = match to {
        To::Key(key) => SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master)),
        To::Node(Node::At { host, port }) => {
            SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port }
        }
        To::Node(Node::Only) => SingleNodeRoutingInfo::RandomPrimary,
    };
    match what {
        Question::One(command) => {
            let answer =
                connection.route_command(command.clone(), RoutingInfo::SingleNode(node)).await?;
            answer.extract_error()
        }
        Question::Many(commands) => {
            let answers =
                connection.route_pipeline(commands.clone(), 0, commands.len(), node).await?;
            Ok(Value::Array(answers))
        }
    }
}

pub(super) async fn primaries(connection: &mut ClusterConnection) -> RedisResult<Vec<Node>> {
    let mut ping = Cmd::new();
    ping.arg("PING");
    let all = RoutingInfo::MultiNode((MultipleNodeRoutingInfo::AllMasters, None));
    let answer = connection.route_command(ping, all).await?.extract_error()?;
    let Value::Map(answers) = answer else {
        return Err(unexpected(&answer));
    };
    let mut nodes = Vec::with_capacity(answers.len());
    for (address, answer) in answers {
        answer.extract_error()?;
        let address: String = redis::from_redis_value(address)?;
        nodes.push(node(&address).ok_or_else(|| unexpected(&Value::SimpleString(address)))?);
    }
    nodes.sort();
    Ok(nodes)
}

/// The node at an address, as [`Node`] shows it.
pub(in crate::store::redis) fn node(address: &str) -> Option<Node> {
    let (host, port) = address.rsplit_once(':')?;
    Some(Node::At { host: host.to_owned(), port: port.parse().ok()? })
}

/// Neighbouring slots are one primary's, as a rule.
pub(super) fn part(key: &str) -> usize {
    usize::from(slot(key)) * PARTS / SLOTS
}

pub(in crate::store::redis) fn slot(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16_384
}

/// What `CLUSTER SLOTS` says; `None` if it is something else.
fn ranges(slots: &Value, unnamed: &str) -> Option<Vec<Range>> {
    let Value::Array(ranges) = slots else { return None };
    let range = |range: &Value| {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = range.as_slice()
        else {
            return None;
        };
        let Some(Value::Int(port)) = primary.get(1) else { return None };
        let host: Option<String> = redis::from_redis_value(primary.first()?.clone()).ok()?;
        let host = host.filter(|host| !host.is_empty() && host != "?");
        Some(Range {
            first: u16::try_from(*first).ok()?,
            last: u16::try_from(*last).ok()?,
            primary: Node::At {
                host: host.unwrap_or_else(|| unnamed.to_owned()),
                port: u16::try_from(*port).ok()?,
            },
        })
    };
    ranges.iter().map(range).collect()
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cluster(")?;
        for (i, seed) in self.seeds.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, seed.addr())?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
mod tests {
    use redis::cluster_routing::Slot;

    use super::*;

    #[test]
    fn slots_are_those_of_redis() {
        for key in ["idem:shop:abc", "", "a{b}c", "{}a", "{a", "a}b{c}", "ключ", "{{a}}"] {
            assert_eq!(Slot::new(slot(key)), Some(Slot::for_key(key)), "{key}");
        }
    }

    #[test]
    fn the_primary_of_a_slot_is_the_first_of_its_range() {
        let text = |text: &str| Value::BulkString(text.into());
        let node = |host: Value, port| Value::Array(vec![host, Value::Int(port), text("id")]);
        let range = |first, last, nodes: Vec<Value>| {
            let mut range = vec![Value::Int(first), Value::Int(last)];
            range.extend(nodes);
            Value::Array(range)
        };
        let slots = Value::Array(vec![
            range(0, 99, vec![node(text("a"), 1), node(text("b"), 2)]),
            range(100, 200, vec![node(text(""), 3)]),
            range(201, 300, vec![node(Value::Nil, 4)]),
        ]);
        let at = |host: &str, port| Node::At { host: host.to_owned(), port };
        let range = |first, last, primary| Range { first, last, primary };
        let expected = vec![
            range(0, 99, at("a", 1)),
            range(100, 200, at("seed", 3)),
            range(201, 300, at("seed", 4)),
        ];
        assert_eq!(ranges(&slots, "seed"), Some(expected));
        assert_eq!(ranges(&Value::Nil, "seed"), None);
        assert_eq!(ranges(&Value::Array(vec![Value::Int(1)]), "seed"), None);
    }
}
