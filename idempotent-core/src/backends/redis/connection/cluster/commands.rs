//! Sending to one node of a cluster. Every request names the primary that it is for; redis-rs follows
//! the redirects.

use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{
    MultipleNodeRoutingInfo, Route, RoutingInfo, SingleNodeRoutingInfo, SlotAddr,
};
use redis::{Cmd, RedisResult, Value};

use crate::backends::redis::connection::node::Node;
use crate::backends::redis::connection::request::{Destination, Request};
use crate::backends::redis::error::unexpected;

pub(in crate::backends::redis::connection) async fn send(
    connection: &mut ClusterConnection,
    destination: Destination<'_>,
    request: Request<'_>,
) -> RedisResult<Value> {
    let node = match destination {
        Destination::Key(key) => {
            SingleNodeRoutingInfo::SpecificNode(Route::with_key(key, SlotAddr::Master))
        }
        Destination::Node(Node::At { host, port }) => {
            SingleNodeRoutingInfo::ByAddress { host: host.clone(), port: *port }
        }
        Destination::Node(Node::Only) => SingleNodeRoutingInfo::RandomPrimary,
    };
    match request {
        Request::Command(command) => {
            let answer =
                connection.route_command(command.clone(), RoutingInfo::SingleNode(node)).await?;
            answer.extract_error()
        }
        Request::Pipeline(commands) => {
            let answers =
                connection.route_pipeline(commands.clone(), 0, commands.len(), node).await?;
            Ok(Value::Array(answers))
        }
    }
}

/// Every primary of the cluster, sorted.
pub(in crate::backends::redis::connection) async fn primaries(
    connection: &mut ClusterConnection,
) -> RedisResult<Vec<Node>> {
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
        nodes.push(Node::at(&address).ok_or_else(|| unexpected(&Value::SimpleString(address)))?);
    }
    nodes.sort();
    Ok(nodes)
}

/// Asks which primary has which slots.
pub(in crate::backends::redis::connection) fn cluster_slots() -> Cmd {
    let mut command = Cmd::new();
    command.arg("CLUSTER").arg("SLOTS");
    command
}
