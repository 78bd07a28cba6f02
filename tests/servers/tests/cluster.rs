//! Clusters and sentinels: formed, robbed of a master, whole again, and cut in two.

#![allow(clippy::unwrap_used, reason = "everything here is a test or helps one")]

use idempotent_servers::{
    Cluster, Data, Flavor, Namespace, Redis, Reply, Sentinel, Server, require,
};

// A key that node 0 owns at first: slot 0 to 5461.
const KEY: &str = "order:2";

async fn set_through(cluster: &Cluster, node: usize) -> Reply {
    cluster.node(node).cli(&["SET", KEY, "v"]).await
}

#[tokio::test]
async fn a_new_cluster_is_whole_and_has_its_roles() {
    require!(Server::Redis);

    let cluster = Cluster::start(3, 1).await;

    assert_eq!(cluster.masters().await, [0, 1, 2]);
    assert_eq!(cluster.replicas_of(1).await, [4]);
    let owner = cluster.master_of(KEY).await;
    assert_eq!(set_through(&cluster, owner).await.text(), Some("OK"));
    let other = (owner + 1) % 3;
    assert!(set_through(&cluster, other).await.to_string().starts_with("MOVED"));
    // The write reached the replica: WAIT is of its own connection, so it only says who is linked.
    assert_eq!(cluster.node(owner).cli(&["WAIT", "1", "1000"]).await, Reply::Int(1));
}

#[tokio::test]
async fn a_killed_master_is_replaced_and_comes_back_as_a_replica() {
    require!(Server::Redis);
    let cluster = Cluster::start(3, 1).await;
    let old = cluster.master_of(KEY).await;

    cluster.node(old).kill();
    let elected = cluster.wait_for_new_master(old).await;

    assert_eq!(elected, old + 3);
    assert_eq!(cluster.master_of(KEY).await, elected);
    cluster.node(old).restart(Data::Keep).await;
    cluster.wait_until_whole().await;
    assert_eq!(cluster.replicas_of(elected).await, [old]);
}

#[tokio::test]
async fn a_frozen_master_is_replaced() {
    require!(Server::Valkey91);
    let cluster = Cluster::builder(3, 2).flavor(Flavor::Valkey91).start().await;

    cluster.node(1).stop_process();
    let elected = cluster.wait_for_new_master(1).await;
    cluster.node(1).resume();

    assert!([5, 6].contains(&elected), "node {elected} took over");
    cluster.wait_until_whole().await;
    assert_eq!(cluster.replicas_of(elected).await.len(), 2);
}

#[tokio::test]
async fn sentinels_replace_a_killed_master() {
    require!(Server::Redis);
    let sentinel = Sentinel::start(2, 3).await;
    assert_eq!(sentinel.master().await, 0);
    assert_eq!(sentinel.master_url().await, sentinel.servers()[0].url());
    assert_eq!(sentinel.sentinel_urls().len(), 3);

    let old = sentinel.kill_master().await;
    let elected = sentinel.wait_for_failover(old).await;

    assert_ne!(elected, old);
    assert_eq!(sentinel.master().await, elected);
    let role = sentinel.servers()[elected].cli(&["ROLE"]).await.to_string();
    assert!(role.starts_with("master"), "{role}");
}

#[tokio::test]
async fn a_cut_splits_a_cluster_until_it_is_healed() {
    require!(Server::Redis, Server::Namespaces);
    let namespace = Namespace::create().await;
    let cluster = namespace.cluster(3, 1).start().await;
    let ip = |node: &Redis| node.address().ip();
    let old = cluster.master_of(KEY).await;
    let others: Vec<_> =
        cluster.nodes().iter().map(ip).filter(|&other| other != ip(cluster.node(old))).collect();

    namespace.cut(&[ip(cluster.node(old))], &others);
    // It does not know yet that it is alone.
    assert_eq!(set_through(&cluster, old).await.text(), Some("OK"));
    let elected = cluster.wait_for_new_master(old).await;

    assert_ne!(elected, old);
    assert_eq!(cluster.node(elected).cli(&["GET", KEY]).await, Reply::Nil);
    namespace.heal();
    cluster.wait_until_whole().await;
    assert_eq!(cluster.replicas_of(elected).await, [old]);
}

#[tokio::test]
async fn a_cut_from_clients_reaches_open_connections_and_leaves_the_nodes_alone() {
    require!(Server::Redis, Server::Namespaces);
    let namespace = Namespace::create().await;
    let cluster = namespace.cluster(3, 0).start().await;
    let node = cluster.node(0);

    namespace.cut(&[namespace.client_ip()], &[node.address().ip()]);
    let unreachable = node.try_cli(&["PING"]).await;
    let seen = cluster.masters().await;
    namespace.heal();

    assert!(unreachable.is_err());
    assert_eq!(seen, [0, 1, 2]);
    assert_eq!(node.cli(&["PING"]).await.text(), Some("PONG"));
}

#[tokio::test]
async fn processes_and_futures_run_inside_a_namespace() {
    require!(Server::Redis, Server::Namespaces);
    let namespace = Namespace::create().await;
    let cluster = namespace.cluster(3, 0).start().await;
    let address = cluster.node(2).address();

    let outside = tokio::net::TcpStream::connect(address).await;
    let inside = namespace
        .run(move || async move {
            // On another thread than the one that began.
            tokio::spawn(tokio::net::TcpStream::connect(address)).await.unwrap().is_ok()
        })
        .await;
    let output = namespace.command("ip").args(["-4", "-o", "addr"]).output().unwrap();

    assert!(outside.is_err());
    assert!(inside);
    let addresses = String::from_utf8(output.stdout).unwrap();
    assert_eq!(addresses.lines().count(), 1, "{addresses}");
}
