//! Forming a cluster, and what its nodes say of it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::ops::Deref;
use std::time::Duration;

use crate::node::Node;
use crate::process::wait_until;
use crate::resp::Reply;

const SLOTS: u16 = 16_384;

// A frozen node does not answer, and must not hold the others up.
const PATIENCE: Duration = Duration::from_millis(500);

type Address = (IpAddr, u16);

/// What one node says of all.
#[derive(Debug, Default, PartialEq, Eq)]
struct View {
    owners: BTreeMap<Address, Vec<(u16, u16)>>,
    replicas: BTreeMap<Address, Address>,
    // Something failed, or is not known yet.
    troubled: bool,
}

/// What the nodes say of the cluster. A statement holds when more than half of them agree.
#[derive(Debug)]
pub(crate) struct Topology(Vec<View>);

impl Topology {
    pub(crate) fn is_master(&self, node: Address) -> bool {
        self.agree(|view| view.owners.contains_key(&node).then_some(())).is_some()
    }

    pub(crate) fn master_of(&self, replica: Address) -> Option<Address> {
        self.agree(|view| view.replicas.get(&replica).copied())
    }

    pub(crate) fn owner(&self, slot: u16) -> Option<Address> {
        self.agree(|view| {
            let owns = |ranges: &[(u16, u16)]| ranges.iter().any(|r| (r.0..=r.1).contains(&slot));
            view.owners.iter().find(|(_, ranges)| owns(ranges)).map(|(owner, _)| *owner)
        })
    }

    fn agree<T: Ord>(&self, says: impl Fn(&View) -> Option<T>) -> Option<T> {
        let mut votes = BTreeMap::new();
        for vote in self.0.iter().filter_map(says) {
            *votes.entry(vote).or_insert(0) += 1;
        }
        votes.into_iter().find(|(_, count)| count * 2 > self.0.len()).map(|(vote, _)| vote)
    }
}

/// Asks all nodes at once; those that do not answer have no vote.
pub(crate) fn ask<N: Deref<Target = Node> + Sync>(nodes: &[N]) -> Result<Topology, String> {
    let views = std::thread::scope(|scope| {
        let asked: Vec<_> = nodes.iter().map(|node| scope.spawn(|| view(node))).collect();
        asked.into_iter().filter_map(|view| view.join().ok().flatten()).collect::<Vec<_>>()
    });
    if views.is_empty() {
        Err("no node of the cluster answers".into())
    } else {
        Ok(Topology(views))
    }
}

fn view(node: &Node) -> Option<View> {
    match node.call_within(PATIENCE, &["CLUSTER", "NODES"]) {
        Ok(Reply::Text(text)) => parse(&text),
        _ => None,
    }
}

fn parse(text: &str) -> Option<View> {
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(' ').collect()).collect();
    let mut addresses = BTreeMap::new();
    for line in &lines {
        let (address, _) = line.get(1)?.split_once('@')?;
        let (ip, port) = address.rsplit_once(':')?;
        // A node that is not known yet has no address.
        let Ok(ip) = ip.parse::<IpAddr>() else { continue };
        addresses.insert(*line.first()?, (ip, port.parse::<u16>().ok()?));
    }
    let mut view = View::default();
    for line in &lines {
        let [id, _, flags, master, _, _, _, link, slots @ ..] = line.as_slice() else {
            return None;
        };
        let flags: Vec<&str> = flags.split(',').collect();
        let trouble = |flag: &&str| ["fail?", "fail", "handshake", "noaddr"].contains(flag);
        view.troubled |= flags.iter().any(trouble) || *link != "connected";
        let Some(&address) = addresses.get(id) else { continue };
        if flags.contains(&"slave") {
            if let Some(&master) = addresses.get(master) {
                view.replicas.insert(address, master);
            }
        } else if !slots.is_empty() {
            view.owners.insert(address, slots.iter().filter_map(|slot| range(slot)).collect());
        }
    }
    Some(view)
}

fn range(text: &str) -> Option<(u16, u16)> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}

/// Makes a cluster of nodes that know nothing yet: the first `masters` of them share the slots, and
/// each gets `replicas` of the rest.
pub(crate) fn form(nodes: &[Node], masters: usize, replicas: usize) -> Result<(), String> {
    let per_master = usize::from(SLOTS).div_ceil(masters);
    for (index, node) in nodes.iter().enumerate() {
        order(node, &["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
        if index < masters {
            let first = index * per_master;
            let last = (first + per_master).min(usize::from(SLOTS)) - 1;
            let (first, last) = (first.to_string(), last.to_string());
            order(node, &["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
        }
    }
    // Each pair, since waiting for gossip takes seconds.
    for (index, node) in nodes.iter().enumerate() {
        for other in &nodes[index + 1..] {
            let (ip, port) = (other.address().ip().to_string(), other.address().port().to_string());
            order(node, &["CLUSTER", "MEET", &ip, &port])?;
        }
    }
    let all = nodes.len();
    wait_until("the nodes of a cluster meet", || {
        nodes.iter().all(|node| {
            let lines =
                node.call(&["CLUSTER", "NODES"]).map_or(0, |r| r.to_string().lines().count());
            lines == all && view(node).is_some_and(|view| !view.troubled)
        })
    })?;
    for (index, replica) in nodes[masters..].iter().enumerate() {
        let master = order(&nodes[index / replicas], &["CLUSTER", "MYID"])?;
        order(replica, &["CLUSTER", "REPLICATE", &master.to_string()])?;
    }
    let nodes: Vec<&Node> = nodes.iter().collect();
    wait_until_whole(&nodes, masters)
}

/// Waits for [`is_whole`]; when that does not come, says what the nodes say.
pub(crate) fn wait_until_whole<N: Deref<Target = Node> + Sync>(
    nodes: &[N],
    masters: usize,
) -> Result<(), String> {
    wait_until("a cluster is whole", || is_whole(nodes, masters)).map_err(|error| {
        let mut text = error;
        for node in nodes {
            let questions: [&[&str]; 3] =
                [&["CLUSTER", "NODES"], &["CLUSTER", "INFO"], &["INFO", "replication"]];
            for question in questions {
                let answer = node.call_within(PATIENCE, question);
                let answer =
                    answer.map_or_else(|error| error.to_string(), |reply| reply.to_string());
                text.push_str(&format!("\n{} to {question:?}:\n{answer}", node.address()));
            }
        }
        text
    })
}

fn order(node: &Node, command: &[&str]) -> Result<Reply, String> {
    match node.call(command) {
        Ok(Reply::Error(text)) => Err(format!("{command:?} to {}: {text}", node.address())),
        Ok(reply) => Ok(reply),
        Err(error) => Err(format!("{command:?} to {}: {error}", node.address())),
    }
}

/// Whether all nodes answer, agree on `masters` masters, find the cluster in order, and each replica
/// is linked.
fn is_whole<N: Deref<Target = Node> + Sync>(nodes: &[N], masters: usize) -> bool {
    let Ok(Topology(views)) = ask(nodes) else { return false };
    let agreed = views.len() == nodes.len()
        && views.iter().all(|view| {
            !view.troubled
                && *view == views[0]
                && view.owners.len() == masters
                && view.replicas.len() == nodes.len() - masters
        });
    agreed && nodes.iter().all(|node| is_in_order(node, &views[0]))
}

fn is_in_order(node: &Node, view: &View) -> bool {
    let info = |section: &[&str]| node.call_within(PATIENCE, section).map(|r| r.to_string());
    let Ok(cluster) = info(&["CLUSTER", "INFO"]) else { return false };
    let Ok(replication) = info(&["INFO", "replication"]) else { return false };
    let address = (node.address().ip(), node.address().port());
    let replicas = view.replicas.values().filter(|master| **master == address).count();
    let linked = if view.owners.contains_key(&address) {
        replication.matches("state=online").count() == replicas
    } else {
        replication.contains("master_link_status:up")
    };
    cluster.contains("cluster_state:ok") && linked
}

/// The slot of a key: of its hash tag, if it has one.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    // CRC-16/XMODEM, as the cluster's specification has it.
    let crc = hashed.bytes().fold(0_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    });
    crc % SLOTS
}

#[cfg(test)]
mod tests {
    use super::slot;

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(slot("123456789"), 0x31C3);
        assert_eq!(slot("foo"), 12_182);
        assert_eq!(slot("{user1000}.following"), slot("user1000"));
        assert_eq!(slot("foo{}bar"), slot("foo{}bar"));
        assert_ne!(slot("foo{}bar"), slot(""));
    }
}
