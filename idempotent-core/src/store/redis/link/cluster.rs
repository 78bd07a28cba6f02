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
    client: ClusterClient,
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
        Ok(Self { client: builder.build()?, seeds })
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
        let mut slots = Cmd::new();
        slots.arg("CLUSTER").arg("SLOTS");
        let ask = connection.ask(To::Key(key), Question::One(&slots));
        let slots = timeout(limits.response, ask).await.unwrap_or_else(|_| Err(timed_out()))?;
        let (host, port) = primary_of(&slots, slot(key))
            .ok_or((ErrorKind::ClusterConnectionNotFound, "no node has the slot of the key"))?;
        let seed = self.seeds.first().ok_or_else(|| RedisError::from(NO_SEEDS))?;
        let address = match seed.addr().clone() {
            ConnectionAddr::TcpTls { host: first, insecure, tls_params, .. } => {
                let host = host.unwrap_or(first);
                ConnectionAddr::TcpTls { host, port, insecure, tls_params }
            }
            ConnectionAddr::Tcp(first, _) => ConnectionAddr::Tcp(host.unwrap_or(first), port),
            other => other,
        };
        Client::open(seed.clone().set_addr(address))
    }
}

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

fn slot(key: &str) -> u16 {
    let tag = key
        .split_once('{')
        .and_then(|(_, rest)| rest.split_once('}'))
        .map_or(key, |(tag, _)| if tag.is_empty() { key } else { tag });
    crc16::State::<crc16::XMODEM>::calculate(tag.as_bytes()) % 16_384
}

/// Where the primary of a slot is, by `CLUSTER SLOTS`. A node that does not know its own address
/// leaves the host out.
fn primary_of(slots: &Value, slot: u16) -> Option<(Option<String>, u16)> {
    let Value::Array(ranges) = slots else { return None };
    ranges.iter().find_map(|range| {
        let Value::Array(range) = range else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = range.as_slice()
        else {
            return None;
        };
        if !(*first..=*last).contains(&i64::from(slot)) {
            return None;
        }
        let port = match primary.get(1)? {
            Value::Int(port) => u16::try_from(*port).ok()?,
            _ => return None,
        };
        let host: Option<String> = redis::from_redis_value(primary.first()?.clone()).ok()?;
        Some((host.filter(|host| !host.is_empty() && host != "?"), port))
    })
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
        assert_eq!(primary_of(&slots, 99), Some((Some("a".to_owned()), 1)));
        assert_eq!(primary_of(&slots, 100), Some((None, 3)));
        assert_eq!(primary_of(&slots, 201), Some((None, 4)));
        assert_eq!(primary_of(&slots, 301), None);
        assert_eq!(primary_of(&Value::Nil, 0), None);
    }
}
